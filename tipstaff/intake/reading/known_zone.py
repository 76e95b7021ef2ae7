"""Times that a report writes without a zone, read in the reporter's usual one where the source knows it. Pure."""

from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.reading.times import read_time


def use_known_zone(draft: ReportDraft, zone: str | None) -> None:
    """Complete events that have a written time and no exact one, by ``zone`` (IANA name); the draft says so once.

    Times that are open for another reason (only a day, day and month exchangeable) stay open, within the bounds of the zone.
    """
    if not zone:
        return
    notes: list[str] = []
    for event in draft.events:
        if event.occurred_at is not None or not event.time_as_written:
            continue
        moment = read_time(event.time_as_written, zone=zone)
        if moment is None or moment.earliest is None:
            continue
        event.occurred_at, event.earliest, event.latest = moment.at, moment.earliest, moment.latest
        event.found_in.setdefault("occurred_at", "time as written")
        if moment.at is not None and moment.note:
            notes.append(moment.note)
    draft.warnings += [note for note in dict.fromkeys(notes) if note not in draft.warnings]
