"""Have the feeds that spoke of it stopped? Judged from their fresh deliveries since the fix was claimed. Pure."""

from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR, Seen

ENOUGH = 2  # fresh deliveries without the finding


def judge(events_since: int, deliveries_since: dict[str, int]) -> Seen:
    """``deliveries_since``: fresh deliveries by feed since the claim; only these could have had the finding."""
    detail = {"events": events_since, "deliveries": dict(deliveries_since)}
    if events_since:
        return Seen(STILL, f"{events_since} further events since the fix was claimed", detail)
    if not deliveries_since:
        return Seen(UNCLEAR, "no feed speaks of this case", detail)
    lowest = min(deliveries_since.values())
    if lowest < ENOUGH:
        return Seen(UNCLEAR, f"a feed has come {lowest} times since; {ENOUGH} fresh deliveries are needed", detail)
    return Seen(OK, f"absent from {lowest} fresh deliveries of each feed", detail)
