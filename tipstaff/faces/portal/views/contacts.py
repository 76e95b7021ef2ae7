"""Contacts and language: a customer's people keep themselves up to date. An address counts once somebody there has confirmed it."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect

from tipstaff.accounts import contacts
from tipstaff.accounts.contacts import Details
from tipstaff.accounts.models import Contact
from tipstaff.faces.portal import limits, signing_in, words
from tipstaff.faces.portal.models import AddressToConfirm
from tipstaff.faces.portal.page import around, page, refusal
from tipstaff.faces.portal.visitors import Here, door, opens_nothing
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Refused

CONFIRM_FOR = timedelta(days=2)
KEPT = timedelta(days=30)
ROLES = {"abuse": "Abuse", "technical": "Technical", "billing": "Billing", "administrative": "Contract"}
DONE = {
    "kept": "Kept.",
    "removed": "The contact is removed.",
    "mailed": "We have written to the new address. It counts once somebody opens the link in that mail.",
}


def listed(request: HttpRequest, here: Here) -> HttpResponse:
    """The contacts of the customer that is chosen."""
    rows = list(Contact.objects.filter(customer=here.contact.customer_id).order_by("role", "pk"))
    waiting = AddressToConfirm.objects.filter(customer=here.contact.customer_id, used_at=None, valid_until__gt=here.now)
    context = {
        "contacts": rows, "roles": ROLES, "waiting": list(waiting.order_by("pk")[:20]), "screen": "contacts",
        "done": DONE.get(request.GET.get("done", ""), ""), **around(here),
    }  # fmt: skip
    return page(request, "portal/contacts.html", context)


def add(request: HttpRequest, here: Here) -> HttpResponse:
    if request.method != "POST":
        return _form(request, here, None, Details(language=here.contact.language))
    return _kept(request, here, None)


def change(request: HttpRequest, here: Here, number: int) -> HttpResponse:
    """One contact of the customer's own; nobody else's exists here."""
    found = _own(here, number)
    if request.method != "POST":
        return _form(request, here, found, Details(found.name, found.email, found.phone, found.role, found.language))
    return _kept(request, here, found)


def remove(request: HttpRequest, here: Here, number: int) -> HttpResponse:
    found = _own(here, number)
    if request.method != "POST":
        return redirect(f"/my/contacts/{number}/")
    try:
        contacts.remove(contact=found.pk, by=here.by, now=here.now)
    except Refused:
        return _last(request, here, found)
    return redirect("/my/contacts/?done=removed")


def _own(here: Here, number: int) -> Contact:
    found = Contact.objects.filter(pk=number, customer=here.contact.customer_id).select_related("customer").first()
    if found is None:
        raise NotFound("no such contact")
    return found


def _details(posted: QueryDict) -> Details:
    return Details(*(posted.get(name, "")[:1000] for name in ("name", "email", "phone", "role", "language")))


def _kept(request: HttpRequest, here: Here, found: Contact | None) -> HttpResponse:
    given = _details(request.POST)
    try:
        wanted = contacts.checked(given)
        if found is not None and found.email.lower() == wanted.email.lower():
            contacts.change(contact=found.pk, details=wanted, by=here.by, now=here.now)
            return redirect("/my/contacts/?done=kept")
        if found is not None and wanted.role != "abuse" and contacts.is_last(found):
            raise Refused("the last one")
        if found is None and Contact.objects.filter(customer=here.contact.customer_id).count() >= contacts.MOST:
            return refusal(request, 409, "There are as many contacts as there can be. Remove one first.", here)
    except InputError as error:
        return _form(request, here, found, given, {problem.where for problem in error.problems})
    except Refused:
        return _last(request, here, found, given)
    if limits.count(limits.CONFIRM, f"customer:{here.contact.customer_id}", here.now):
        return refusal(request, 429, "That was a lot at once. Wait a quarter of an hour, or write to us by mail.", here)
    ask(here=here, contact=found, details=wanted, now=here.now)
    return redirect("/my/contacts/?done=mailed")


@transaction.atomic
def ask(*, here: Here, contact: Contact | None, details: Details, now: datetime) -> str:
    """Mail the link that confirms an address to that address; returns its secret."""
    secret = secrets.token_urlsafe(32)
    AddressToConfirm.objects.filter(valid_until__lt=now - KEPT).delete()
    AddressToConfirm.objects.create(
        digest=signing_in.digest(secret), customer_id=here.contact.customer_id, contact=contact, name=details.name,
        email=details.email, phone=details.phone, role=details.role, language=details.language, asked_by=here.by, asked_at=now,
        valid_until=now + CONFIRM_FOR,
    )  # fmt: skip
    code = words.short(details.language) or here.code
    operator = settings.OPERATOR_NAME or words.say(code, "Abuse desk")
    text = words.say(
        code,
        "{customer} named this address as a contact for {operator}. Confirm it here; the link works once, for two days:",
        customer=here.contact.customer.name,
        operator=operator,
    )
    foot = words.say(code, "If that is a mistake, do nothing: the address is not used then.")
    link = f"{settings.PUBLIC_URL.rstrip('/')}/my/confirm/{secret}/"
    subject = words.say(code, "Please confirm this address")
    signing_in.send(contact or here.contact, code, subject, f"{text}\n\n{link}\n\n{foot}\n", now, to=details.email)
    return secret


def _form(
    request: HttpRequest, here: Here, found: Contact | None, details: Details, wrong: set[str] | None = None, last: bool = False
) -> HttpResponse:
    context = {
        "contact": found, "details": details, "wrong": wrong or set(), "roles": ROLES, "last": last, "screen": "contacts",
        **around(here),
    }  # fmt: skip
    return page(request, "portal/contact.html", context, 422 if wrong or last else 200)


def _last(request: HttpRequest, here: Here, found: Contact | None, details: Details | None = None) -> HttpResponse:
    assert found is not None
    known = details or Details(found.name, found.email, found.phone, found.role, found.language)
    return _form(request, here, found, known, last=True)


@door
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The link that was mailed to a new address: looking changes nothing, the button confirms."""
    now = clock_now()
    rows = AddressToConfirm.objects.filter(digest=signing_in.digest(token), used_at=None, valid_until__gt=now)
    found = rows.select_related("customer", "contact").first()
    if found is None:
        return opens_nothing(request, now)
    if request.method != "POST":
        return page(request, "portal/confirm.html", {"now": now, "found": found, "confirmed": False})
    try:
        _confirmed(found, now)
    except (InputError, Refused, NotFound):
        return refusal(request, 409, "This address cannot be taken any more. Look at the contacts, and try again.")
    return page(request, "portal/confirm.html", {"now": now, "found": found, "confirmed": True})


@transaction.atomic
def _confirmed(found: AddressToConfirm, now: datetime) -> None:
    if not AddressToConfirm.objects.filter(pk=found.pk, used_at=None).update(used_at=now):
        raise Refused("it was used a moment ago")
    details = Details(found.name, found.email, found.phone, found.role, found.language)
    if found.contact is None:
        contacts.add(customer=found.customer_id, details=details, by=found.asked_by, now=now)
        return
    old = found.contact.email
    contacts.change(contact=found.contact.pk, details=details, by=found.asked_by, now=now, confirmed=True)
    if old and old.lower() != found.email.lower():
        _tell_old(found, old, now)


def _tell_old(found: AddressToConfirm, old: str, now: datetime) -> None:
    """Whoever had the contact until now hears that it has moved, for it may not have been they."""
    assert found.contact is not None
    code = words.short(found.language) or "en"
    text = words.say(
        code,
        "The contact of {customer} that had this address has another one now. If that was not you, tell us at once.",
        customer=found.customer.name,
    )
    signing_in.send(found.contact, code, words.say(code, "Your address was changed"), f"{text}\n", now, to=old)
