"""The speech gate (B18): a reviewer answers, and what follows is pure. In doubt nothing is restricted without a court order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from tipstaff.cases import people
from tipstaff.cases.advancing import Act, advance
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import SpeechReview
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.policy.edition import Role

PROTECTED, UNPROTECTED, DOUBTFUL = "protected", "unprotected", "doubtful"
ANSWERS = ("yes", "no", "unsure")


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the gate; ``outside``: a yes puts the speech outside the protection."""

    code: str
    text: str
    outside: bool


#: After the categories that the First Amendment does not protect, as the Supreme Court has drawn them.
QUESTIONS = (
    Question("true_threat",
         "Does it threaten violence, and the speaker at least knows that it may be taken so? (Counterman, 2023)", True),
    Question("incitement", "Is it directed to, and likely to cause, lawless action at once? (Brandenburg, 1969)", True),
    Question("obscenity", "Is it obscene as a whole, by the standards of Miller (1973)?", True),
    Question("defamation",
         "Is it a false statement of fact that harms a reputation, with the fault that the law asks for? (Sullivan, 1964)",
             True),
    Question("crime", "Is it part of a crime: fraud, extortion, solicitation, harassment of one person by conduct?", True),
    Question("private_facts",
         "Does it publish private data (addresses, numbers, intimate pictures) of a named person to harm them?", True),
    Question("public_concern", "Is it opinion, satire, journalism, art, or a matter of public concern?", False),
)  # fmt: skip


def verdict(answers: Mapping[str, str]) -> str:
    """What the answers say: outside the protection only with a clear yes and no clear public concern."""
    outside = [answers[q.code] for q in QUESTIONS if q.outside]
    concern = answers["public_concern"]
    if "yes" in outside:
        return UNPROTECTED if concern == "no" else DOUBTFUL
    if all(answer == "no" for answer in outside):
        return PROTECTED
    return DOUBTFUL


@transaction.atomic
def review(*, case: int, answers: Mapping[str, str], reason: str, by: str, now: datetime, court_order: str = "") -> SpeechReview:
    """Keep the answers and act: protected closes the case without a strike; doubtful waits for a court order."""
    problems = [
        Problem(q.code, "is not answered", f"one of {', '.join(ANSWERS)}") for q in QUESTIONS if answers.get(q.code) not in ANSWERS
    ]
    problems += [Problem(code, "is no question") for code in answers if code not in {q.code for q in QUESTIONS}]
    if not reason.strip():
        problems.append(Problem("reason", "is missing", "say how you came to these answers"))
    if problems:
        raise InputError(problems)
    people.require(by, Role.ANALYST)
    found = locked(case)
    row = SpeechReview.objects.create(
        case=found,
        answers=dict(answers),
        verdict=verdict(answers),
        court_order=court_order.strip(),
        reason=reason.strip(),
        by=by,
        at=now,
    )
    order = f"; court order {row.court_order}" if row.court_order else ""
    journal(case=found, kind="ruling", text=f"speech gate: {row.verdict}{order}: {row.reason}", by=by, now=now, review=row.pk)
    if row.verdict == PROTECTED and not row.court_order:
        advance(Act(found.pk, Event.FOUND_SPEECH, row.reason, detail={"review": row.pk}), by=by, now=now)
    return row
