"""Policy › what would change: an edition that is not in force yet, tried on the real cases before somebody publishes it."""

from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse

from tipstaff.accounts.models import Customer
from tipstaff.accounts.roles import ACTS, STAFF
from tipstaff.cases.backtesting.backtest import Backtest, backtest
from tipstaff.cases.backtesting.comparing import Sort
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.policy import loading
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition
from tipstaff.policy.models import StoredEdition

REVIEWERS = tuple(name for name in STAFF if name in ACTS["publish policy"])
DAYS = (30, 90, 365)
MOST = 1000  # cases of one look; the command line looks at all of them
SHOWN = 200  # rows on the page
KEPT_FOR = 300  # seconds that a result may be old
GRAVE = frozenset({Sort.CUT, Sort.TERMINATED, Sort.SOONER})
MILD = frozenset({Sort.SPARED, Sort.KEPT, Sort.LATER, Sort.NOT_ASKED})


@desk(*REVIEWERS)
def what_would_change(request: DeskRequest) -> HttpResponse:
    """``?edition=`` the id of a stored edition, or a pack's name; ``?days=`` how far back; ``?only=`` one sort."""
    now = clock_now()
    asked, days = request.GET.get("edition", ""), request.GET.get("days", "")
    length = int(days) if days in {str(one) for one in DAYS} else 90
    choices = _choices(now)
    chosen = asked or (choices[0][0] if choices else "")
    context: dict[str, Any] = {
        "screen": "settings", "tab": "editions", "now": now, "choices": choices, "chosen": chosen, "days": length, "all_days": DAYS,
        "most": MOST,
    }  # fmt: skip
    if asked:
        context |= _shown(asked, length, request.GET.get("only", ""), now)
    return page(request, "desk/backtest.html", context)


def _choices(now: datetime) -> list[tuple[str, str]]:
    """Drafts first, then what is published and not in force yet, then the packs."""
    rows = [row for row in policy.editions(states=("draft", "published")) if row.state == "draft" or row.effective_from > now]
    named = [(str(row.pk), f"{row.name}{' for ' + row.brand if row.brand else ''} ({row.state})") for row in rows]
    return [*sorted(named, key=lambda pair: "(draft)" not in pair[1]), *((pack, f"{pack} (pack)") for pack in loading.packaged())]


def _edition(asked: str) -> tuple[Edition, str]:
    if asked in loading.packaged():
        return loading.load_packaged(asked), ""
    stored = StoredEdition.objects.filter(pk=asked).first() if asked.isdecimal() and len(asked) < 10 else None
    if stored is None:
        raise NotFound("There is no such edition.")
    return policy.compiled(stored), stored.brand


def _shown(asked: str, days: int, only: str, now: datetime) -> dict[str, Any]:
    edition, brand = _edition(asked)

    def look() -> Backtest:
        return backtest(edition=edition, since=now - timedelta(days=days), now=now, brand=brand, most=MOST)

    found: Backtest = cache.get_or_set(f"desk:backtest:{edition.content_hash}:{brand}:{days}", look, KEPT_FOR) or look()
    sorts = [(sort, number) for sort, number in found.totals.items() if number]
    rows = [one for one in found.differences if not only or only in {sort.name.lower() for sort in one.sorts}]
    names = Customer.objects.in_bulk([one.past.customer for one in rows[:SHOWN]])
    return {
        "found": found, "only": only, "sorts": [(sort.name.lower(), sort, number, _tone(sort)) for sort, number in sorts],
        "rows": [(one, names.get(one.past.customer), [(sort, _tone(sort)) for sort in one.sorts]) for one in rows[:SHOWN]],
        "further": max(len(rows) - SHOWN, 0),
    }  # fmt: skip


def _tone(sort: Sort) -> str:
    return "bad" if sort in GRAVE else "good" if sort in MILD else "off" if sort is Sort.UNLIKE else ""
