"""Do those who reported it still see it? Their reports since the fix was claimed, and what they answer when asked. Pure."""

from tipstaff.enforcement.retests.contract import STILL, UNCLEAR, Seen


def judge(events_since: int, reporters_since: int, reporters: int, asked: int = 0) -> Seen:
    """Further reports say that it goes on; silence of a reporter proves nothing, the quiet period decides."""
    detail = {"events": events_since, "reporters_since": reporters_since, "reporters": reporters, "asked": asked}
    if events_since:
        who = f"{reporters_since} of {reporters} reporters"
        return Seen(STILL, f"{who} reported it again: {events_since} events since the fix was claimed", detail)
    waits = f"; {asked} {'was' if asked == 1 else 'were'} asked, and an answer comes to the case" if asked else ""
    said = f"no reporter has reported it again; that proves nothing before the quiet period is over{waits}"
    return Seen(UNCLEAR, said, detail)
