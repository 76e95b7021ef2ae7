"""Rail 10: the states of an order and which follows which. Pure; ``moves`` is the only writer of a state."""

from collections.abc import Mapping

PROPOSED, APPROVED, APPLYING, VERIFIED = "proposed", "approved", "applying", "verified"
REVERTING, REVERTED, FAILED, DRIFTED = "reverting", "reverted", "failed", "drifted"

NEXT: Mapping[str, frozenset[str]] = {
    PROPOSED: frozenset({APPROVED, FAILED}),  # approved, or declined
    APPROVED: frozenset({APPLYING, REVERTED, FAILED}),  # reverted: it ended before anything was done
    APPLYING: frozenset({VERIFIED, REVERTING, FAILED, DRIFTED}),
    VERIFIED: frozenset({REVERTING, DRIFTED}),
    DRIFTED: frozenset({APPLYING, REVERTING, REVERTED, FAILED}),  # repaired, ended, or settled by a person
    REVERTING: frozenset({REVERTED, FAILED, DRIFTED}),  # failed: what a failed attempt left was taken away
    REVERTED: frozenset(),
    FAILED: frozenset(),
}
STATES = tuple(NEXT)
FINAL = frozenset({REVERTED, FAILED})
AT_WORK = frozenset({APPROVED, APPLYING, VERIFIED, REVERTING, DRIFTED})  # counts against the caps
WANTED = frozenset({VERIFIED, DRIFTED})  # should stand at the peer
STANDING = frozenset({APPLYING, VERIFIED, DRIFTED})  # from here the way back leads through REVERTING
TOUCHED = frozenset({APPLYING, VERIFIED, REVERTING, DRIFTED})  # may stand there: never a stray


def allowed(old: str, new: str) -> bool:
    return new in NEXT.get(old, frozenset())
