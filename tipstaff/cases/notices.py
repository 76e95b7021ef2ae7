"""What a notice says of its case: the values of its message. Alleged until decided (G7); never a reporter's identity.

Everything is read from the case's rows when the message is made, so that it says what holds then.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from tipstaff.cases import disclosing, timing
from tipstaff.cases.models import Appeal, Case, Clock, ClockChange, Measure, Notice, Retraction
from tipstaff.cases.tokens import token_of
from tipstaff.correspondence import catalogue, links
from tipstaff.correspondence.letters import Addressee, Letter, moment
from tipstaff.correspondence.references import subject_with
from tipstaff.kernel.errors import TipstaffError
from tipstaff.kernel.text import one_line
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Handling, LadderMode

BY = "system:telling"
#: Notices that show what was reported and what usually helps.
WITH_EVIDENCE = frozenset({"opened"})
WITH_GUIDANCE = frozenset({"opened", "not_adequate", "emergency"})
#: The clock whose end a notice is about.
DUE = {"final_warning": "warning", "termination_notice": "final_notice", "appeal_received": "appeal", "cooperation": "cooperation"}
LIFTS = frozenset({"restored", "left_intact"})


def zone_of(case: Case) -> tzinfo:
    """The customer's time zone; UTC where the stored name is unknown here."""
    try:
        return ZoneInfo(case.customer.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def values(*, notice: Notice, language: str, audience: str, now: datetime) -> dict[str, Any]:
    """The values of a notice's message to one side. Texts of people (reasons) are those that were written for the outside."""
    case = notice.case
    edition = policy.compiled(case.edition)
    found = about(case, edition, language) | _clocks(case, notice) | _restriction(case, notice, language) | _said(case, notice)
    found |= {"title": catalogue.packaged(language).word("titles", notice.kind), "outcome": outcome(case, language)}
    if audience == "reseller":
        found["client"] = case.customer.name
    if audience == "customer" and notice.kind in WITH_EVIDENCE:
        found |= _evidence(case, edition, language, now)
    if notice.kind in WITH_GUIDANCE:
        found["guidance"] = guidance(case.category, language)
    return found


def about(case: Case, edition: Edition, language: str) -> dict[str, Any]:
    """What the case is, in the reader's language."""
    entry, clause = edition.categories.get(case.category), edition.clauses.get(case.clause)
    seen = [at for at in (case.first_event_at, case.last_event_at) if at]
    zone = zone_of(case)
    return {
        "operator": settings.OPERATOR_NAME or "our",
        "case_number": str(case.pk),
        "customer": case.customer.name,
        "service": case.service.name if case.service else "",
        "category": category_title(case.category, edition, language),
        "where": case.headline or case.customer.name,
        "seen": " – ".join(dict.fromkeys(moment(at, zone) for at in seen)),
        "reports": str(case.reports),
        "events": str(case.events),
        "clause_number": case.clause,
        "clause_title": clause.title if clause else "",
        "clause_plain": clause.plain if clause else "",
        "acknowledge_due": case.ack_due_at if case.acknowledged_at is None else None,
        "resolve_due": case.resolve_due_at,
        "advice_only": bool(entry and Handling.ADVICE_ONLY in entry.handling),
        "managed_by_us": bool(case.service and case.service.managed_by == "provider"),
        "mandatory": edition.ladder.mode is LadderMode.MANDATORY,
        "policy_url": f"{settings.PUBLIC_URL.rstrip('/')}/policy/{edition.name}/{case.clause}/",
        "desk_url": f"{settings.PUBLIC_URL.rstrip('/')}/cases/{case.pk}/",
    }


def link(case: Case, to: Addressee, now: datetime) -> dict[str, Any]:
    """The address at which this contact opens the case without an account; none for whoever is no contact."""
    if to.contact is None:
        return {}
    return {"portal_url": links.address_of(f"case:{case.pk}", f"contact:{to.contact}", now, to=to.address)}


def tokened(letter: Letter, case: Case, side: str) -> Letter:
    """The letter with the case's token in its subject: an answer finds its case by that alone."""
    return replace(letter, subject=subject_with(letter.subject, token_of(case.pk, side)))


def category_title(code: str, edition: Edition, language: str) -> str:
    """The edition's own title where it speaks that language, else the packaged one, else the edition's all the same."""
    own = edition.categories[code].title if code in edition.categories else code
    return own if edition.language == language else catalogue.packaged(language).word("categories", code) or own


def guidance(code: str, language: str) -> list[str]:
    """What usually helps with this kind, and in general, in the reader's language."""
    general = catalogue.packaged(language).words["guidance"]["general"]
    return [*catalogue.guidance(language).get(code, ()), *[str(line) for line in general]]


def outcome(case: Case, language: str) -> str:
    """How the case ended, or where it stands, as a sentence."""
    words = catalogue.packaged(language)
    return words.word("outcomes", case.outcome) or words.word("outcomes", case.state) or words.word("outcomes", "OTHER")


def _clocks(case: Case, notice: Notice) -> dict[str, Any]:
    """The times that the notice is about: the clock that fired, else the one whose end it announces, else the customer's."""
    running = dict(Clock.objects.filter(case=case, fired_at=None, cancelled_at=None).values_list("kind", "due_at"))
    fired = str(notice.detail.get("clock", ""))
    found: dict[str, Any] = {
        "due": running.get(DUE.get(notice.kind, "")) or case.next_due_at,
        "second_due": running.get("second"),
        "data_until": running.get("data_window"),
        "probation_until": running.get("probation"),
    }
    if notice.kind == "reminder":
        which = "acknowledge" if "acknowledge" in fired and case.acknowledged_at is None else "resolve"
        percent = fired.rpartition("_")[2]
        found |= {"clock": which, "percent": percent if percent.isdigit() else "",
                  "due": case.ack_due_at if which == "acknowledge" else case.resolve_due_at}  # fmt: skip
    if notice.kind in {"due_changed", "extension_granted", "extension_refused"}:
        change = ClockChange.objects.filter(case=case, at__lte=notice.created_at).order_by("-at", "-pk").first()
        if change is not None:
            found |= {"old_due": change.old_due_at, "new_due": change.new_due_at}
    if notice.kind == "extension_refused":  # the time that stays as it is: to resolve, before a restriction, before the end
        found["resolve_due"] = timing.customers_time(case) or case.resolve_due_at
    return found


def _restriction(case: Case, notice: Notice, language: str) -> dict[str, Any]:
    """The measure that the notice is about: the one it names, else the newest."""
    rows = Measure.objects.filter(case=case)
    named = notice.detail.get("measure")
    row = rows.filter(pk=named).first() if isinstance(named, int) else rows.order_by("-decided_at", "-pk").first()
    if row is None:
        return {}
    edition = policy.compiled(case.edition)
    return {
        "measure": measure_words(row, language),
        "since": row.lifted_at if notice.kind in LIFTS else row.in_force_at or row.decided_at,
        "expires": row.expires_at,
        "automatic": row.automatic,
        "appeal_until": row.decided_at + edition.timers.appeal_within,
        "reason": row.reason,
    }


def measure_words(row: Measure, language: str) -> str:
    """'blocked port 25 of 192.0.2.7' in the reader's language."""
    words = catalogue.packaged(language)
    kind, scope = words.word("measures", row.kind) or row.kind, words.word("measures", row.scope)
    target = one_line(row.target, 200)
    return f"{kind}: {scope} {target}".strip() if scope else f"{kind}: {target}"


def _said(case: Case, notice: Notice) -> dict[str, Any]:
    """What people wrote for the outside, and what the notice itself carries."""
    found: dict[str, Any] = {}
    if notice.kind in {"appeal_received", "appeal_decided"}:
        appeal = Appeal.objects.filter(case=case).order_by("-at", "-pk").first()
        if appeal is not None:
            found |= {"decision": appeal.decision, "reason": appeal.reason}
            if appeal.measure is not None:
                found["measure"] = f"{appeal.measure.kind} {appeal.measure.target}"
    if notice.kind == "retraction":
        row = Retraction.objects.filter(case=case).order_by("-proposed_at", "-pk").first()
        if row is not None:
            found |= {"told": row.told, "reason": row.reason}
    if notice.kind == "child_opened" and isinstance(notice.detail.get("child"), int):
        child = Case.objects.select_related("customer").filter(pk=notice.detail["child"]).first()
        found |= {"client": child.customer.name, "due": child.resolve_due_at} if child else {}
    detail: Mapping[str, Any] = notice.detail
    for name in ("reason", "text", "decision", "told", "limit", "percent"):
        if detail.get(name):
            found[name] = str(detail[name])[:20_000]
    if due := _time(detail.get("due_at")):
        found["due"] = due if notice.kind != "reminder" else found.get("due", due)
        found.setdefault("new_due", due)
    return {name: value for name, value in found.items() if value is not None}


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def _evidence(case: Case, edition: Edition, language: str, now: datetime) -> dict[str, Any]:
    """The redacted evidence and, for a complete copyright notice, who claims; nothing where it cannot be opened."""
    entry, found = edition.categories[case.category], disclosing.speaking(case)
    if found is None:
        return {}
    try:
        shown = disclosing.excerpt(case=case, found=found, category=entry, language=language, by=BY, now=now)
    except TipstaffError:
        shown = ""
    return {"evidence": shown, "complainant": disclosing.complainant(found, entry, language)}
