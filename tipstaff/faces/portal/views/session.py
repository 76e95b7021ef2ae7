"""Signing in and out, choosing a customer, and a new link for an old one."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tipstaff.cases.models import Case
from tipstaff.cases.portal_access import Visitor, case_for_customer
from tipstaff.correspondence import links
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.portal import limits, signing_in, words
from tipstaff.faces.portal.page import around, page, refusal
from tipstaff.faces.portal.visitors import Here, by_session, contact_of, door, opens_nothing
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import NotFound
from tipstaff.kernel.text import whole


@door
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for a link. The answer is the same whoever asks."""
    now = clock_now()
    if request.method != "POST":
        if by_session(request, now) is not None:
            return redirect("/my/")
        return page(request, "portal/sign_in.html", {"now": now})
    if limits.count(limits.ASK_NETWORK, limits.peer(request), now):
        return refusal(request, 429, "Too many sign-in links were asked for from your network. Wait a quarter of an hour.")
    email = request.POST.get("email", "").strip()
    try:
        EmailValidator()(email)
    except ValidationError:
        context = {"now": now, "email": email[:254], "problem": True}
        return page(request, "portal/sign_in.html", context, 422)
    often = limits.count(limits.ASK_ADDRESS, email.lower(), now)
    signing_in.ask(email=email, code=words.chosen(request), mailed=not often, now=now)
    minutes = int(signing_in.LINK_FOR.total_seconds() // 60)
    return page(request, "portal/sent.html", {"now": now, "email": email[:254], "minutes": minutes})


@door
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Open the mailed link: looking changes nothing, the button signs in."""
    now = clock_now()
    if request.method != "POST":
        address = signing_in.address_of(token, now)
        return page(request, "portal/enter.html", {"now": now, "address": address}) if address else opens_nothing(request, now)
    begun = signing_in.begin(secret=token, now=now)
    if begun is None:
        return opens_nothing(request, now)
    answer = redirect("/my/choose/" if begun.customers > 1 else "/my/")
    answer.set_cookie(
        signing_in.cookie_name(), begun.secret, max_age=int(signing_in.lifetimes()[0].total_seconds()), path="/my/",
        httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE,
    )  # fmt: skip
    return answer


@door
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if request.method == "POST":
        signing_in.end(key=request.COOKIES.get(signing_in.cookie_name(), ""), now=clock_now())
    answer = redirect("/my/sign-in/")
    answer.delete_cookie(signing_in.cookie_name(), path="/my/", samesite="Lax")
    return answer


def choose(request: HttpRequest, here: Here) -> HttpResponse:
    """Whose cases to show, for somebody who stands for several customers."""
    if request.method == "POST" and here.session is not None:
        number = whole(request.POST.get("customer", ""))
        if number is None or not signing_in.choose(session=here.session, customer=number, now=here.now):
            return refusal(request, 404, "There is nothing here for you.", here)
        return redirect("/my/")
    return page(request, "portal/choose.html", {"screen": "", **around(here)})


@door
def renew(request: HttpRequest, token: str) -> HttpResponse:
    """Mail a new link for an old one, to the same contact and nobody else. The answer says nothing about the case."""
    now = clock_now()
    opened = links.opened(token, now)
    if opened is None:
        return opens_nothing(request, now)
    if request.method != "POST":
        return redirect(f"/c/{token}/")
    if not limits.count(limits.RENEW, f"{opened.subject}|{opened.bearer}", now):
        _mail_again(opened, now)
    return page(request, "portal/renewed.html", {"now": now})


def _mail_again(opened: links.Opened, now: "signing_in.datetime") -> None:
    contact = contact_of(opened)
    kind, _, number = opened.subject.partition(":")
    if contact is None or kind != "case" or not number.isdecimal() or shadow.is_on():
        return
    try:
        found: Case = case_for_customer(Visitor({contact.customer_id: contact.pk}, only=int(number)), int(number))
    except NotFound:
        return
    code = words.short(contact.language or contact.customer.language) or "en"
    operator = settings.OPERATOR_NAME or words.say(code, "Abuse desk")
    link = links.address_of(opened.subject, opened.bearer, now, to=contact.email)
    body = words.say(code, "The link that you opened was too old. This is a new one to case #{number}:", number=found.pk)
    foot = words.say(code, "The link is yours: whoever has it can answer for you.")
    OutboxMessage.objects.create(
        reference=opened.subject, audience="customer", kind="link", recipient_name=contact.name, recipient=contact.email,
        contact_id=contact.pk, language=code, subject=words.say(code, "Your new link to case #{number}", number=found.pk),
        body=f"{body}\n\n{link}\n\n{foot}\n\n{operator}\n", created_at=now, created_by="system:portal", not_before=now, urgent=True,
    )  # fmt: skip
