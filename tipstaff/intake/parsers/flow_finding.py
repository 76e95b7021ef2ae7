"""Findings of our own traffic detectors: the JSON documents of ``sensors.traffic.detection.findings``.

Believed from a source of the kind 'sensor' alone. Who is attacked is accused of nothing. What is about a prefix or a customer
as a whole, or about addresses that the customer had no right to, names the customer behind the interface, and no address: a
forged source belongs to somebody else.
"""

from dataclasses import asdict
from typing import Any

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.taxonomy import as_pair
from tipstaff.intake.vocabulary.load import Profile, packaged
from tipstaff.kernel.errors import InputError, ParseError
from tipstaff.sensors.traffic.detection.findings import Finding, from_json, stamp

name = "flow_finding"
experimental = False

KIND = "sensor"
SOURCE = "own flow telemetry"
FORMAT = "flow-finding"
FORGED = frozenset({"foreign_source"})  # the address named was used without right: it accuses whoever sits behind the interface
RECORDED_KINDS = frozenset({"blocked_traffic"})  # what the desk itself blocked: it belongs to that order, and accuses nobody anew
RECORDED = "threat_intel"  # the category of what is known and accuses nobody
_MARKS = (b'"detector"', b'"subject"')


def claims(message: Message) -> Confidence:
    """CERTAIN for a document of ours from a sensor of ours, else NONE."""
    if message.hints.source_kind != KIND or message.kind != "json":
        return Confidence.NONE
    return Confidence.CERTAIN if all(mark in message.raw[:4_000] for mark in _MARKS) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft with one event: a finding as it stood when it was written; its last look is the event's time."""
    try:
        finding = from_json(message.raw)
    except InputError as error:
        first = error.problems[0]
        raise ParseError(first.where, first.what, first.advice) from error
    profile = _profile(message)
    victim = not finding.category or finding.kind in RECORDED_KINDS
    draft = ReportDraft(
        format=FORMAT, reporter=Reporter(name=profile.name if profile else None), category=RECORDED if victim else finding.category,
        category_from=f"structure: detector {finding.detector}", report_type=finding.kind, external_id=finding.id,
        xarf=as_pair(finding.xarf), reported_at=finding.ended_at or finding.last_at, subject=subject_of(finding),
        description=described(finding), automated=True, victim=victim, trust=profile.trust if profile else None,
    )  # fmt: skip
    _doubt(draft, finding, profile)
    event = _event(finding)
    if event is not None:
        draft.events.append(event)
    elif not victim:
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs.append(f"it speaks of {finding.subject.kind} {finding.subject.value}, and whose that is was not known then")
    return [draft]


def _profile(message: Message) -> Profile | None:
    vocabulary = message.hints.vocabulary or packaged()
    return vocabulary.profile_of_source(message.hints.source or SOURCE) or vocabulary.profile_of_source(SOURCE)


def _doubt(draft: ReportDraft, finding: Finding, profile: Profile | None) -> None:
    least = profile.acts_from if profile else 1.0
    if finding.confidence < least:
        draft.experimental = True
        draft.warnings.append(f"its confidence is {finding.confidence:.2f}, below {least:.2f}: {finding.confidence_why}")
    if not finding.sampling_rate:
        draft.warnings.append("the exporter stated no sampling rate: the figures are as exported, the truth may be greater")


def _event(finding: Finding) -> EventDraft | None:
    """What is attributed: the address where one did it, else the customer that the flows were attributed to."""
    by_address = finding.subject.kind == "address" and finding.kind not in FORGED
    if not by_address and finding.customer_id is None:
        return None
    at = finding.ended_at or finding.last_at
    places = {"occurred_at": "ended_at" if finding.ended_at else "last_at"}
    return EventDraft(
        ip=finding.subject.value if by_address else None,
        customer=None if by_address else finding.customer_id,
        occurred_at=at,
        identity=(finding.id, "ended" if finding.ended_at else ""),
        details={"finding": details_of(finding)},
        found_in=places | ({"ip": "subject.value"} if by_address else {}),
    )


def details_of(finding: Finding) -> dict[str, Any]:
    """What the case's page shows of a finding: everything, times as text."""
    plain = asdict(finding)
    for name in ("opened_at", "last_at", "ended_at"):
        plain[name] = None if plain[name] is None else stamp(plain[name])
    return plain


def subject_of(finding: Finding) -> str:
    way = {"in": "towards", "out": "from", "internal": "within"}[finding.direction]
    named = f"customer {finding.subject.value}" if finding.subject.kind == "customer" else finding.subject.value
    return f"{finding.detector.replace('_', ' ').capitalize()} {way} {named}"


def described(finding: Finding) -> str:
    """The finding's own words, with the figure that was compared."""
    limit = finding.limit
    figure = f"{limit.figure.replace('_', ' ')} {finding.figures.get(limit.figure, 0.0):,.0f}"
    return f"{finding.words} ({figure}, limit {limit.value:,.0f} {limit.unit}, {limit.applied})".strip()[:2000]
