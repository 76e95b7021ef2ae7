"""Where a report stands, as its reporter may know it: received, checked, customer told, resolved. Never about whom."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings

from tipstaff.cases.models import Case, CaseReport
from tipstaff.faces.public.words import Sentence
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import SUFFIX
from tipstaff.pipeline import duties
from tipstaff.policy import queries as policy
from tipstaff.policy.switches import ReporterNotice
from tipstaff.reports.models import Report

WHY = "Our policy promises a receipt, not an outcome; every report that is verified is decided all the same."
SEALED = "It went unseen to the two people who are trained for such matters. They do not write back; thank you."
OUTCOMES = {
    "RESOLVED": "The cause was removed.",
    "CLOSED_COMPLIANT": "We looked at it and found no breach of our policy.",
    "CLOSED_SPEECH": "We looked at it: it is protected speech.",
    "CLOSED_EXCEPTION": "We looked at it: it was allowed beforehand.",
    "CLOSED_FALSE": "We looked at it: it did not happen from this address.",
    "CLOSED_DUPLICATE": "It belongs to a matter that was reported before.",
    "CLOSED_ABSENT": "It is no longer seen.",
    "CLOSED_NOT_OURS": "It was not in our network.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. ``state``: done, now, later."""

    name: str
    state: str
    at: datetime | None = None
    text: str = ""


@dataclass(frozen=True)
class Standing:
    """The steps in order, and what else may be said."""

    steps: tuple[Step, ...]
    reason: str = ""
    closed: bool = False
    limited: str = ""  # why no more is said
    received_at: datetime | None = None
    contacts: tuple[str, ...] = field(default=())


def standing_of(number: UUID, now: datetime) -> Standing | None:
    """Where the submission stands; None where there is none by that id."""
    found = Submission.objects.filter(pk=number, source__kind="form").first()
    if found is None:
        waiting = (settings.SPOOL / f"{number}{SUFFIX}").exists()
        return Standing(_steps(0, None), "It arrived safely and is about to be read.") if waiting else None
    if found.state == "sealed":
        return Standing(_steps(0, found.received_at), SEALED, limited="sealed", received_at=found.received_at)
    reports = list(Report.objects.filter(submission=found).order_by("-revision"))
    cases = _cases(reports)
    if not cases:
        switch = _of_the_provider(now)
        told = any(_outcome_told(switch, report.category or "") for report in reports) if reports else _outcome_told(switch, "")
        return _full(found, reports, []) if told else _brief(found, {switch})
    promised = {case.pk: policy.compiled(case.edition).switches.reporter_notice for case in cases}
    heard = [case for case in cases if _outcome_told(promised[case.pk], case.category)]
    return _full(found, reports, heard) if heard else _brief(found, set(promised.values()))


def _outcome_told(switch: ReporterNotice, category: str) -> bool:
    """Whether the outcome is told: by the switch, or by a law over it (G5); the same question that letters to reporters ask."""
    return duties.reporter_hears(switch, "resolved", category, settings.REPORTER_DUTIES) is not None


def _of_the_provider(now: datetime) -> ReporterNotice:
    """What the provider's own edition promises, for a report that no brand's case has taken up."""
    in_force = policy.edition_in_force("", now)
    return in_force[1].switches.reporter_notice if in_force else ReporterNotice.RECEIPT


def _cases(reports: list[Report]) -> list[Case]:
    """The cases that the reports belong to, each by the one it was merged into."""
    numbers = CaseReport.objects.filter(report_id__in=[report.pk for report in reports]).values("case_id")
    found = Case.objects.filter(pk__in=numbers, parent=None).select_related("edition", "merged_into__edition")
    return list({case.pk: case for case in (case.merged_into or case for case in found)}.values())


def _brief(found: Submission, promised: set[ReporterNotice]) -> Standing:
    """What is told where the policy promises a receipt at most."""
    if ReporterNotice.RECEIPT in promised and found.state != "received":
        return Standing(_steps(1, found.received_at), "It was read.", limited=WHY, received_at=found.received_at)
    return Standing(_steps(0, found.received_at), limited=WHY, received_at=found.received_at)


def _full(found: Submission, reports: list[Report], cases: list[Case]) -> Standing:
    at = found.received_at
    if found.state == "received":
        return Standing(_steps(0, at), "It is about to be read.", received_at=at)
    if found.state in {"needs_person", "failed"}:
        return Standing(_steps(0, at, now=1), "A person at the desk is looking at it.", received_at=at)
    if found.state == "set_aside":
        return Standing(_steps(1, at), "A person looked at it and it became no case.", closed=True, received_at=at)
    if reports and all(report.state == "not_ours" for report in reports):
        return Standing(
            _steps(1, at), "The address was not in our network then; please tell the network that holds it.", True, received_at=at
        )
    return _by_cases(at, cases)


def _by_cases(at: datetime, cases: list[Case]) -> Standing:
    """The furthest step that any of the cases has reached whose policy tells reporters; resolved only when all of them are."""
    told = [case.ticketed_at for case in cases if case.ticketed_at]
    closed = [case.closed_at for case in cases if case.closed_at]
    if cases and len(closed) == len(cases):
        reasons = dict.fromkeys(OUTCOMES.get(case.outcome, "It was decided.") for case in cases)
        return Standing(
            _steps(3, at, told=min(told, default=None), ended=max(closed)), Sentence.joined(reasons), True, received_at=at
        )
    if told:
        return Standing(_steps(2, at, told=min(told)), "Our customer has been told and has a time in which to act.", received_at=at)
    if cases:
        return Standing(_steps(1, at), "It is alleged; a person decides before our customer is told.", received_at=at)
    return Standing(_steps(1, at), "It was recorded, and adds to what we know.", True, received_at=at)


def _steps(
    reached: int, at: datetime | None, *, told: datetime | None = None, ended: datetime | None = None, now: int | None = None
) -> tuple[Step, ...]:
    """Four steps; those up to ``reached`` are done, the one at ``now`` (default the next) is under way."""
    names = ("Received", "Checked", "Customer told", "Resolved")
    # Who joins a case that runs already learns that the customer knows, not when another complained.
    moments = (at, None, told if told and (at is None or told >= at) else None, ended)
    skipped = reached == 3 and told is None
    current = reached + 1 if now is None else now
    return tuple(
        Step(name, "done" if place <= reached else "now" if place == current else "later", moments[place])
        for place, name in enumerate(names)
        if not (skipped and place == 2)
    )
