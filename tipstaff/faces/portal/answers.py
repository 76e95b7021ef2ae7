"""The forms by which a customer answers: their fields, what a value must be, and the service that each calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import QueryDict

from tipstaff.accounts.contacts import fits
from tipstaff.cases import appeals, cooperation, forwarding, statements
from tipstaff.cases.models import Appeal, Case, Cooperation, Measure
from tipstaff.faces.portal import words
from tipstaff.faces.portal.visitors import Here
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import storable, whole

LONGEST = 10_000  # characters of one field
FURTHEST = timedelta(days=3653)  # a promise ten years off is a slip, and the end of the calendar is in no other zone
DONE = {
    "acknowledge": "Thank you. You have acknowledged this case; that is not an admission.",
    "plan": "Thank you. We have your plan, and a person reads it.",
    "fix": "Thank you. We look again by ourselves.",
    "dispute": "We have your objection. Somebody who has not worked on this case decides.",
    "extension": "We have your request. You hear from us.",
    "comment": "We have your message.",
    "appeal": "We have your appeal. Somebody who had no part in the decision decides.",
    "forward": "Your client has a case of its own now, and is told.",
    "answer": "Thank you. We have your answer, and a person reads it.",
    "withdraw": "You have withdrawn your appeal. The decision stands.",
}
ON_THE_PAGE = frozenset({"acknowledge", "plan"})  # forms that stand on the case's own page
#: What a service says of a value → what the portal says, in the reader's language.
SAID_OF = {
    "is not later than the present time": "Choose a time later than the one you have.",
    "is more than a year away": "This is too far away. Choose an earlier time.",
    "lies in the past": "This has passed. Choose a later time.",
    "is missing": "Write something here.",
    "is empty": "Write something here.",
    "are missing or too long": "This is too long. Shorten it.",
    "": "This could not be taken. Change it, or write to us.",
}


@dataclass(frozen=True, slots=True)
class Field:
    """``kind``: area, text, mail, moment, language, client (one of the clients known), hidden."""

    name: str
    label: str
    kind: str = "area"
    hint: str = ""
    rows: int = 3
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A page with a form. ``send`` gets the visit, the case and the values."""

    name: str
    title: str
    lead: str
    button: str
    fields: tuple[Field, ...]
    send: Callable[[Here, Case, Mapping[str, Any]], Any]


def _plan(here: Here, case: Case, said: Mapping[str, Any]) -> Any:
    return statements.plan(case=case.pk, cause=said["cause"], fix=said["fix"], prevention=said["prevention"],
                           promised_at=said["promised_at"], by=here.by, now=here.now)  # fmt: skip


def _appeal(here: Here, case: Case, said: Mapping[str, Any]) -> Any:
    number = said.get("measure", "")
    measure = None
    if number:
        measure = Measure.objects.filter(case=case, pk=whole(number) or 0).first()
        if measure is None:
            raise NotFound("no such measure on this case")
    return appeals.file(case=case.pk, grounds=said["grounds"], measure=measure.pk if measure else None, by=here.by, now=here.now)


def _answer(here: Here, case: Case, said: Mapping[str, Any]) -> Any:
    row = Cooperation.objects.filter(case=case, pk=whole(said["request"]) or 0).first()
    if row is None:
        raise NotFound("no such request on this case")
    return cooperation.answer(cooperation=row.pk, text=said["text"], by=here.by, now=here.now)


def _withdraw(here: Here, case: Case, said: Mapping[str, Any]) -> Any:
    row = Appeal.objects.filter(case=case, decided_at=None).first()
    if row is None:
        raise Refused("no appeal is undecided")
    return appeals.withdraw(appeal=row.pk, by=here.by, now=here.now)


def said_of(code: str, what: str) -> str:
    """What is wrong with a value, as a sentence of the portal."""
    return words.say(code, SAID_OF.get(what, SAID_OF[""]))


def _forward(here: Here, case: Case, said: Mapping[str, Any]) -> Any:
    if client := whole(said.get("client", "")):
        return forwarding.forward_to_client(case=case.pk, client=client, by=here.by, now=here.now)
    wrong = [Problem(name, words.say(here.code, "Write something here.")) for name in ("name", "email") if not said[name]]
    if not wrong and not fits(said["email"]):
        wrong = [Problem("email", words.say(here.code, "Write it like name@example.org."))]
    if wrong:
        raise InputError(wrong)
    return forwarding.forward_to_client(
        case=case.pk, name=said["name"], email=said["email"], language=said["language"], by=here.by, now=here.now
    )


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form("acknowledge", "Acknowledge", "", "Acknowledge", (),
             lambda here, case, said: statements.acknowledge(case=case.pk, by=here.by, now=here.now)),
        Form("plan", "Your plan", "A few sentences each are enough.", "Send plan", (
            Field("cause", "How did it get there?", hint="As far as you know it now."),
            Field("fix", "What have you changed, or will you change?"),
            Field("prevention", "How will you keep it out?", rows=2,
                  hint="One sentence is enough, for instance: automatic updates are on."),
            Field("promised_at", "Done by", "moment"),
        ), _plan),
        Form("fix", "Tell us that it is fixed", "We then look again by ourselves.", "It is fixed", (
            Field("text", "What did you do?", rows=5),
        ), lambda here, case, said: statements.claim_fix(case=case.pk, text=said["text"], by=here.by, now=here.now)),
        Form("dispute", "We are wrong?", "Say so. Somebody who has not worked on this case looks at it and decides.", "Send", (
            Field("text", "Why is the report wrong?", rows=6,
                  hint="For instance: the address was not yours then, it was allowed, or it did not happen."),
        ), lambda here, case, said: statements.dispute(case=case.pk, text=said["text"], by=here.by, now=here.now)),
        Form("extension", "Ask for more time", "Say until when, and why. A person decides.", "Ask", (
            Field("until", "Until", "moment"), Field("reason", "Why do you need it?"),
        ), lambda here, case, said: statements.ask_extension(
            case=case.pk, until=said["until"], reason=said["reason"], by=here.by, now=here.now)),
        Form("comment", "Write to us", "A question, or anything else we should know.", "Send", (
            Field("text", "Your message", rows=4),
        ), lambda here, case, said: statements.comment(case=case.pk, text=said["text"], by=here.by, now=here.now)),
        Form("appeal", "Appeal",
             "Say why the decision is wrong. Somebody who had no part in it decides. If you are right it is undone.", "Send appeal",
             (Field("grounds", "Why is it wrong?", rows=6), Field("measure", "", "hidden", optional=True)), _appeal),
        Form("answer", "What we ask you for", "A person reads what you answer.", "Send", (
            Field("text", "Your answer", rows=6), Field("request", "", "hidden", optional=True),
        ), _answer),
        Form("withdraw", "Withdraw the appeal", "The decision then stands, and all times go on.", "Withdraw the appeal", (),
             _withdraw),
        Form("forward", "Forward to my client",
             "Your client gets a case of its own, with a time that ends before yours. We do not tell it who you are to us, and you "
             "stay answerable for yours.", "Forward", (
                 Field("client", "Which client?", "client", optional=True),
                 Field("name", "Your client’s name", "text", hint="Any name that you use; a number will do.", optional=True),
                 Field("email", "Your client’s mail address", "mail", hint="We write there, and to nobody else.", optional=True),
                 Field("language", "Language", "language"),
             ), _forward),
    )
}  # fmt: skip


def values_of(form: Form, posted: QueryDict, here: Here) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """(as written, as values, problem by field)."""
    written = {field.name: storable(str(posted.get(field.name, ""))).strip() for field in form.fields}
    values: dict[str, Any] = dict(written)
    problems = {}
    for field in form.fields:
        text = written[field.name]
        if not text and not field.optional:
            problems[field.name] = words.say(here.code, "Write something here.")
        elif len(text) > LONGEST:
            written[field.name] = text[:LONGEST]
            problems[field.name] = words.say(here.code, "This has {n} characters; {most} are taken.", n=len(text), most=LONGEST)
        elif field.kind == "moment":
            values[field.name], problem = moment(text, here)
            problems |= {field.name: problem} if problem else {}
        elif field.kind == "language" and text not in words.LANGUAGES:
            problems[field.name] = words.say(here.code, "Choose one of the list.")
    return written, values, problems


def moment(text: str, here: Here) -> tuple[datetime | None, str]:
    """A moment of a form, in the visitor's zone, in UTC; or what is wrong with it."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "T")[:25])
        there = (found if found.tzinfo else found.replace(tzinfo=here.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None, words.say(here.code, "Write it like 2026-06-15 18:00.")
    if there <= here.now:
        return None, words.say(here.code, "This has passed. Choose a later time.")
    if there > here.now + FURTHEST:
        return None, words.say(here.code, "This is too far away. Choose an earlier time.")
    return there, ""
