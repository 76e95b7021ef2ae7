"""Answering: one form a page, and what comes back from it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tipstaff.accounts.models import Customer
from tipstaff.cases.models import Case, Cooperation, Measure
from tipstaff.cases.portal_access import acting
from tipstaff.faces.portal import answers, standing
from tipstaff.faces.portal.page import around, page, refusal
from tipstaff.faces.portal.views.cases import case_page
from tipstaff.faces.portal.visitors import Here, tried
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.kernel.text import whole
from tipstaff.policy import queries as policy

MOST_CLIENTS = 500


def act(request: HttpRequest, here: Here, case: Case, answer: str) -> HttpResponse:
    """Show a form, or take it."""
    form = answers.FORMS.get(answer)
    if form is None:
        return refusal(request, 404, "There is nothing here for you.", here)
    acting(here.visitor, case)
    if request.method == "POST":
        return _taken(request, here, case, form)
    if form.name in answers.ON_THE_PAGE:
        return redirect(f"{here.base}#{form.name}")
    if not open_now(form, here, case, request.GET.get("measure", "")):
        raise Refused("")
    given = {name: request.GET.get(name, "") for name in ("measure", "request")}
    return _shown(request, here, case, form, given | {"language": here.code})


def open_now(form: answers.Form, here: Here, case: Case, measure: str = "") -> bool:
    if form.name == "answer":
        return Cooperation.objects.filter(case=case, answered_at=None).exists()
    if form.name != "appeal":
        return standing.offers(case, form.name)
    found = Measure.objects.filter(case=case, pk=number).first() if (number := whole(measure)) is not None else None
    until = standing.appeal_until(case, found, policy.compiled(case.edition))
    return until is not None and until > here.now


def _taken(request: HttpRequest, here: Here, case: Case, form: answers.Form) -> HttpResponse:
    written, values, problems = answers.values_of(form, request.POST, here)
    if not problems:
        try:
            form.send(here, case, values)
        except InputError as error:
            names = {field.name for field in form.fields}
            first = form.fields[0].name if form.fields else ""
            problems = {
                problem.where if problem.where in names else first: answers.said_of(here.code, problem.what)
                for problem in error.problems
            }
        except Refused as error:
            if not form.fields:
                raise
            tried(here, case, str(error), form.name)
            return _shown(request, here, case, form, written, refused=True)
        else:
            return redirect(f"{here.base}?done={form.name}")
    if form.name == "plan":
        return case_page(request, here, case, written, problems)
    return _shown(request, here, case, form, written, problems)


def _shown(
    request: HttpRequest,
    here: Here,
    case: Case,
    form: answers.Form,
    filled: dict[str, Any],
    problems: dict[str, str] | None = None,
    *,
    refused: bool = False,
) -> HttpResponse:
    """``refused``: the case takes it no more; what was written stays on the page, so that nobody writes it twice."""
    clients = (
        Customer.objects.filter(parent=case.customer_id).order_by("name", "pk")[:MOST_CLIENTS] if form.name == "forward" else ()
    )
    context = {
        "clients": clients,
        "case": case,
        "form": form,
        "filled": filled,
        "problems": problems or {},
        "refused": refused,
        "asked": Cooperation.objects.filter(case=case, pk=whole(filled.get("request", "")) or 0).first(),
        "screen": "cases",
        **around(here),
    }
    return page(request, "portal/form.html", context, 409 if refused else 422 if problems else 200)
