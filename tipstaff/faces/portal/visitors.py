"""Who is looking: by a session of the portal, or by a link from a mail. Views get their visitor, and their case, only from here."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from tipstaff.accounts.models import Contact
from tipstaff.audit.services import record, refused
from tipstaff.cases import journal
from tipstaff.cases.models import Case
from tipstaff.cases.portal_access import Visitor, acting, case_for_customer
from tipstaff.correspondence import links
from tipstaff.faces.portal import limits, page, signing_in, words
from tipstaff.faces.portal.models import PortalSession
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound, Refused

METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class Here:
    """A visit: who, as which contact, in which language and zone, and where the case's pages begin."""

    visitor: Visitor
    contact: Contact
    code: str
    zone: tzinfo
    now: datetime
    session: PortalSession | None = None
    others: tuple[Contact, ...] = ()  # the same person at each of their customers
    base: str = ""  # '/my/cases/4312/' or '/c/TOKEN/'
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def by(self) -> str:
        return f"contact:{self.contact.pk}"


class _Csrf(CsrfViewMiddleware):
    """A refusal in the portal's own words."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:  # the one hook that Django has for its words
        return page.refusal(request, 403, "Your browser did not send back the proof that this form is yours. Allow cookies, "
                            "open the page again and send it once more.")  # fmt: skip


_protected = decorator_from_middleware(_Csrf)


def door(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What stands before every view: size first, so that nothing big is read; then the form's proof."""
    inner = require_http_methods(METHODS)(_protected(view))

    @csrf_exempt  # checked by _protected, once the size is known
    @wraps(view)
    def outer(request: HttpRequest, *args: Any, **given: Any) -> HttpResponse:
        if request.method == "POST" and _length(request) > limits.MOST_BYTES:
            return _too_big(request, given)
        answer: HttpResponse = inner(request, *args, **given)  # type: ignore[assignment]
        return answer

    return outer


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return limits.MOST_BYTES + 1


def _too_big(request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
    """Refused before a byte of it is read; on the record, and on the case where it is known whose it was."""
    now, size = clock_now(), _length(request) // 1024
    here = _by_token(request, str(given["token"]), now) if "token" in given else by_session(request, now)
    by = here.by if isinstance(here, Here) else "visitor"
    record(by=by, action="portal.too_big", subject=f"portal:{by}", now=now, kilobytes=size)
    number = given.get("number") or (here.visitor.only if isinstance(here, Here) else None)
    if isinstance(here, Here) and number:
        try:
            found = case_for_customer(here.visitor, int(number))
        except NotFound:
            return page.refusal(request, 404, "There is nothing here for you.")
        text = f"a form of {size:,} kB was refused unread; {limits.MOST_BYTES // 1024} kB are taken"
        journal.journal(case=found, kind="statement", text=text, by=by, now=now)
    return page.refusal(request, 413, "That was too much for a form. A few sentences are enough; mail us what is longer.")


def by_session(request: HttpRequest, now: datetime) -> Here | None:
    """Whoever is signed in, with the customer they chose; None where nobody is."""
    session = signing_in.session_of(request.COOKIES.get(signing_in.cookie_name(), ""), now)
    if session is None:
        return None
    known = signing_in.contacts_of(session)
    mine = {contact.customer_id: contact for contact in reversed(known)}
    chosen = [session.customer_id] if session.customer_id in mine else list(mine)
    if not chosen:
        return None
    contact = mine[chosen[0]]
    visitor = Visitor({customer: mine[customer].pk for customer in chosen})
    others = tuple(mine[customer] for customer in sorted(mine, key=lambda number: (mine[number].customer.name, number)))
    return _here(request, visitor, contact, now, session=session, others=others)


def _here(request: HttpRequest, visitor: Visitor, contact: Contact, now: datetime, **more: Any) -> Here:
    code = words.chosen(request, contact.language)
    return Here(visitor, contact, code, words.zone_of(contact.customer.timezone), now, **more)


def _by_token(request: HttpRequest, token: str, now: datetime) -> Here | links.Opened | None:
    """The visit that a link allows; the link itself where it is too old; None where it opens nothing."""
    opened = links.opened(token, now)
    if opened is None or not opened.subject.startswith("case:") or not opened.bearer.startswith("contact:"):
        return None
    if opened.expired:
        return opened
    contact = contact_of(opened)
    if contact is None:
        return None
    if _moved_since(contact, opened):
        return replace(opened, expired=True)
    visitor = Visitor({contact.customer_id: contact.pk}, only=int(opened.subject.partition(":")[2]))
    return _here(request, visitor, contact, now, base=f"/c/{token}/")


def _moved_since(contact: Contact, opened: links.Opened) -> bool:
    """Whether the link lies in a mailbox that is the contact's no more: it was sent to another address than the contact has, or
    the address was confirmed anew since."""
    if not opened.was_sent_to(contact.email):
        return True
    return contact.confirmed_at is not None and contact.confirmed_at - opened.given_at >= timedelta(seconds=1)  # links know seconds


def contact_of(opened: links.Opened) -> Contact | None:
    number = opened.bearer.partition(":")[2]
    return (
        Contact.objects.filter(pk=int(number)).exclude(email="").select_related("customer").first() if number.isdecimal() else None
    )


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of the account: ``view(request, here, …)``."""

    @wraps(view)
    def outer(request: HttpRequest, **given: Any) -> HttpResponse:
        here = by_session(request, clock_now())
        if here is None:
            return redirect("/my/sign-in/")
        if too_busy := _busy(request, here):
            return too_busy
        return _answered(request, here, view, **given)

    return door(outer)


def by_number(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of a case, for somebody who is signed in: ``view(request, here, case, …)``."""

    @wraps(view)
    def outer(request: HttpRequest, here: Here, number: int, **given: Any) -> HttpResponse:
        found = case_for_customer(here.visitor, number)
        return _of_case(request, _at(here, found, f"/my/cases/{number}/"), found, view, **given)

    return signed_in(outer)


def by_token(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The same page of a case, by the link in a mail."""

    @wraps(view)
    def outer(request: HttpRequest, token: str, **given: Any) -> HttpResponse:
        now = clock_now()
        here = _by_token(request, token, now)
        if isinstance(here, links.Opened):
            return page.page(request, "portal/expired.html", {"token": token, "now": now}, 410)
        if here is None:
            return opens_nothing(request, now)
        if too_busy := _busy(request, here):
            return too_busy
        try:
            found = case_for_customer(here.visitor, here.visitor.only or 0)
        except NotFound:
            return opens_nothing(request, now)
        return _answered(request, here, lambda request, here: _of_case(request, here, found, view, **given))

    return door(outer)


def opens_nothing(request: HttpRequest, now: datetime) -> HttpResponse:
    """The same answer for a link that was forged, cut short, or whose case is not to be seen: counted, and never why."""
    if limits.count(limits.BAD_LINK, limits.peer(request), now):
        return page.refusal(request, 429, "Too many links from your network opened nothing. Wait a quarter of an hour.")
    return page.refusal(
        request, 404, "This link opens nothing. Perhaps your mail program cut it short; or ask for a link to sign in."
    )


def _at(here: Here, case: Case, base: str) -> Here:
    """The visit as the contact of that case's customer, in that customer's zone."""
    number = here.visitor.contacts.get(case.customer_id)
    contact = next((one for one in here.others if one.pk == number), here.contact)
    zone = words.zone_of(contact.customer.timezone)
    return Here(here.visitor, contact, here.code, zone, here.now, here.session, here.others, base)


def _of_case(request: HttpRequest, here: Here, found: Case, view: Callable[..., HttpResponse], **given: Any) -> HttpResponse:
    if found.merged_into_id and request.method != "POST":
        return page.page(request, "portal/merged.html", {"case": found, **page.around(here)})
    if request.method != "POST":
        return view(request, here, found, **given)
    try:
        acting(here.visitor, found)
        return view(request, here, found, **given)
    except Refused as error:
        tried(here, found, str(error), str(given.get("answer", "")))
        raise


def tried(here: Here, case: Case, why: str, what: str) -> None:
    """On the record that an answer was refused, apart from the act, which is undone. Never the page's address: it may be a key."""
    refused(by=here.by, subject=f"case:{case.pk}", why=why, now=here.now, method="portal", path=what)


def _busy(request: HttpRequest, here: Here) -> HttpResponse | None:
    if request.method == "POST" and limits.count(limits.WRITE, here.by, here.now):
        return page.refusal(request, 429, "That was a lot at once. Wait a quarter of an hour, or write to us by mail.")
    return None


def _answered(request: HttpRequest, here: Here, view: Callable[..., HttpResponse], **given: Any) -> HttpResponse:
    try:
        return view(request, here, **given)
    except NotFound:
        return page.refusal(request, 404, "There is nothing here for you.", here)
    except Refused as error:
        return page.refusal(request, 409, "This is not open at the moment.", here, detail=str(error))
