"""Fields that name the accused and contradict each other: whichever stands first is no reason to accuse it. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.reading.indicators import normal_ip

MOST = 20  # candidates of one contradiction


def named(stated: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The different addresses among texts, each with the place that stated it first; a text that is no address names none."""
    found: dict[str, str] = {}
    for place, text in stated:
        if ip := normal_ip(text):
            found.setdefault(ip, place)
    return found


def leave_to_a_person(draft: ReportDraft, number: int, rivals: dict[str, str]) -> None:
    """Of the event with that number there is one for each address, and a person says which of them is meant."""
    event = draft.events[number]
    draft.events[number : number + 1] = [
        replace(event, ip=ip, details=dict(event.details), found_in=event.found_in | {"ip": place})
        for ip, place in list(rivals.items())[:MOST]
    ]
    said = ", ".join(f"{ip} ({place})" for ip, place in list(rivals.items())[:MOST])
    draft.needs.append(f"it names different addresses as the source: {said}")
    draft.disposition = Disposition.NEEDS_A_PERSON
