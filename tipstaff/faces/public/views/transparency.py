"""Transparency figures: two tables, and each as CSV."""

import csv
from io import StringIO

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tipstaff.faces.public import figures, words
from tipstaff.faces.public.page import in_force, page, refusal
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy


def _tables(code: str) -> list[figures.Table]:
    """The tables with the kinds named in a language."""
    now = clock_now()
    stored = in_force(now)
    edition = policy.compiled(stored) if stored else None
    known = edition.categories.items() if edition else ()
    own = edition.language if edition else "en"
    titles = {name: words.category(code, name, entry.title, own) for name, entry in known}
    return figures.tables(titles, now)


def _written(counts: tuple[int, ...]) -> list[str]:
    return [figures.written(count) for count in counts]


@require_safe
def transparency(request: HttpRequest) -> HttpResponse:
    shown = [
        (table, [(name, _written(counts)) for name, counts in table.rows], _written(table.sums))
        for table in _tables(words.chosen(request))
    ]
    context = {"tables": shown, "columns": figures.COLUMNS, "small": figures.SMALL, "screen": "figures"}
    return page(request, "public/transparency.html", context)


@require_safe
def export(request: HttpRequest, table: str) -> HttpResponse:
    found = next((one for one in _tables("en") if one.name == table), None)
    if found is None:
        return refusal(request, 404, "There is no such table.", "Look at the figures.")
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow([found.first, *figures.COLUMNS])
    rows.writerows([name, *["" if count == figures.HIDDEN else count for count in counts]] for name, counts in found.rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{found.name}.csv"'
    return response
