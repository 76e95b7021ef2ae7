"""How a customer answers, as far as a rehearsal needs it: when, after what, and what is said. Pure.

A behaviour is an ordered tuple of rules: the first whose state fits and that was not used yet says what comes next, and how
long after the case reached that state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """In ``state``, ``after`` that long (or at a share of the time that is left to answer), the customer does ``what``."""

    state: str
    what: str  # acknowledge, plan, fix, dispute, contact, appeal, again
    after: timedelta = HOUR
    share: float = 0.0  # of the customer's time from the ticket; instead of ``after``
    text: str = ""


@dataclass(frozen=True, slots=True)
class Behaviour:
    name: str
    meaning: str
    answers: tuple[Answer, ...] = ()
    really_fixed: bool = False  # what a retest finds after the customer says so
    believed: bool = False  # whether a dispute, or an appeal, is upheld


_FIX = (
    Answer("TICKETED", "plan", text="an old plugin let them in; it is updated, and updates are automatic from now on"),
    Answer("ACKNOWLEDGED", "fix", 3 * HOUR, text="the plugin is updated, the page is gone, the passwords are changed"),
)
_BACK = (
    Answer("DISCONNECTED", "contact", 2 * HOUR, text="we are sorry, we were away"),
    Answer("DISCONNECTED", "fix", 4 * HOUR, text="the machine is installed anew"),
)
_NOT_US = (Answer("TICKETED", "dispute", 2 * HOUR, text="that was not our machine"),)
BEHAVIOURS: Mapping[str, Behaviour] = {
    one.name: one
    for one in (
        Behaviour("silent", "never answers"),
        Behaviour("fixes", "answers within the hour and fixes it", _FIX, really_fixed=True),
        Behaviour(
            "slow",
            "acknowledges late, and fixes it after the time is over",
            (Answer("TICKETED", "acknowledge", share=0.9), Answer("ACKNOWLEDGED", "fix", share=1.2, text="done at last")),
            really_fixed=True,
        ),
        Behaviour("promises", "answers and says that it is fixed, and it is not", _FIX),
        Behaviour("disputes", "says that it was not so, and is right", _NOT_US, believed=True),
        Behaviour("denies", "says that it was not so, and is wrong", _NOT_US),
        Behaviour("repeats", "fixes it, and it happens again", (*_FIX, Answer("RESOLVED", "again", 72 * HOUR)), really_fixed=True),
        Behaviour("returns", "is silent until the service is gone, then fixes it", _BACK, really_fixed=True),
        Behaviour(
            "appeals",
            "is silent until the service is gone, then appeals, and is right",
            (Answer("DISCONNECTED", "appeal", 20 * HOUR, text="the address was not ours at that time"),),
            believed=True,
        ),
    )
}  # fmt: skip
