"""What the labels of an alert or a metric say of whom: the names by which an operator's rules tell us, and Akvorado's columns.

``tipstaff_category`` (a code of the policy), one of ``tipstaff_ip`` (with ``tipstaff_port``), ``tipstaff_domain``,
``tipstaff_url``, ``tipstaff_mailbox``; ``tipstaff_direction`` ``in`` where the host is the victim; ``tipstaff_threshold`` the
limit. Rules over Akvorado's flow tables carry its columns ``SrcAddr`` and ``DstAddr``: whichever is ours is meant, and says the
direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

from tipstaff.intake.drafts import Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.policy.categories import CODES

RECORDED = "threat_intel"
MEASURABLE = CODES - {"csam"}  # no figure says that, and it is sealed before reading or not at all
MOST_LABELS, LONGEST = 60, 500


@dataclass(frozen=True)
class Alert:
    """One alert or one row of a query's answer, as its own format states it."""

    labels: Mapping[str, str]
    at: datetime
    place: str  # of the time, in the document
    name: str = ""
    number: str = ""
    words: str = ""
    value: float | None = None
    threshold: float | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)


def plain_labels(given: Any) -> dict[str, str]:
    """Labels as text; what is none is left out."""
    if not isinstance(given, Mapping):
        return {}
    pairs = [(str(key)[:100], str(value)[:LONGEST]) for key, value in list(given.items())[:MOST_LABELS] if isinstance(value, str)]
    return dict(pairs)


def number_of(text: Any) -> float | None:
    """A finite number out of a label or a value."""
    try:
        found = float(text)
    except (TypeError, ValueError):
        return None
    return found if found == found and abs(found) != float("inf") else None


def draft_of(alert: Alert, *, form: str, origin: str, own: Sequence[str], place: str) -> ReportDraft:
    """A report of an alert; what its labels leave open is for a person to say."""
    category = alert.labels.get("tipstaff_category", "")
    address, direction, where = _local(alert.labels, own)
    victim = direction == "in"
    draft = ReportDraft(
        format=form, reporter=Reporter(name=origin), category=RECORDED if victim else category if category in MEASURABLE else None,
        category_from="structure: the rule's own label", report_type=alert.name[:100] or form, external_id=alert.number or None,
        reported_at=alert.at, subject=alert.name or None, description=_described(alert), automated=True, victim=victim,
        xarf=xarf_of(category) if category in MEASURABLE else None,
    )  # fmt: skip
    event = _event(alert, address, direction, f"{place}.{where}" if where else "")
    if event is None:
        draft.needs.append("no label says whom it is about (tipstaff_ip, _domain, _url or _mailbox; SrcAddr or DstAddr of ours)")
    else:
        draft.events.append(event)
    if not victim and draft.category is None:
        known = f"{category!r} is no code of the policy" if category else "the label tipstaff_category is missing"
        draft.needs.append(f"which conduct it is: {known}")
    if draft.needs:
        draft.disposition, draft.victim = Disposition.NEEDS_A_PERSON, False
    return draft


def _local(labels: Mapping[str, str], own: Sequence[str]) -> tuple[str | None, str, str]:
    """Our address, which way, and the label that says so."""
    stated = normal_ip(labels.get("tipstaff_ip", ""))
    if stated:
        return stated, "in" if labels.get("tipstaff_direction") == "in" else "out", "tipstaff_ip"
    ends = [(label, way, normal_ip(labels.get(label, ""))) for label, way in (("SrcAddr", "out"), ("DstAddr", "in"))]
    ours = [(address, way, label) for label, way, address in ends if address and _within(address, own)]
    return ours[0] if ours else (None, "out", "")


def _within(address: str, own: Sequence[str]) -> bool:
    one = ip_address(address)
    return any(one.version == network.version and one in network for network in map(ip_network, own))


def _event(alert: Alert, address: str | None, direction: str, place: str) -> EventDraft | None:
    labels = alert.labels
    url, domain = normal_url(labels.get("tipstaff_url", "")), normal_domain(labels.get("tipstaff_domain", ""))
    mailbox = labels.get("tipstaff_mailbox", "").strip().lower() or None
    if not (address or url or domain or mailbox):
        return None
    port = labels.get("tipstaff_port", "")
    finding = {
        "id": alert.number, "detector": alert.name, "kind": labels.get("tipstaff_category", ""), "direction": direction,
        "subject": {"kind": "address", "value": address}, "words": _described(alert), "opened_at": alert.at.isoformat(),
        "last_at": alert.at.isoformat(), "figures": {} if alert.value is None else {"value": alert.value},
        "limit": {"figure": "value", "value": alert.threshold, "unit": "", "applied": "the rule", "why": alert.words}
        if alert.threshold is not None else None,
    }  # fmt: skip
    return EventDraft(
        ip=address,
        port=int(port) if port.isdecimal() and int(port) < 65536 else None,
        url=url,
        domain=domain or (host_of(url) if url else None),
        mailbox=mailbox,
        occurred_at=alert.at,
        identity=(alert.number,),
        details={"finding": finding, "labels": dict(labels), **alert.measured},
        found_in={"occurred_at": alert.place} | ({"ip": place} if address else {}),
    )


def _described(alert: Alert) -> str:
    figure = f": {alert.value:g}" if alert.value is not None else ""
    limit = f", limit {alert.threshold:g}" if alert.threshold is not None else ""
    return f"{alert.words or alert.name}{figure}{limit}"[:2000]
