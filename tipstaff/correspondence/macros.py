"""Pieces of text that are written often. They may use the variables of a message, and are checked as strictly."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from tipstaff.audit.services import record
from tipstaff.correspondence import language, variables
from tipstaff.correspondence.letters import shown
from tipstaff.correspondence.models import Macro
from tipstaff.kernel.errors import InputError, NotFound, Problem

AUDIENCES = ("customer", "reporter", "internal")
LONGEST = 8_000


def every(owner: str) -> list[Macro]:
    """What somebody may insert: everybody's, and their own, by audience and name."""
    return list(Macro.objects.filter(Q(owner="") | Q(owner=owner)).order_by("audience", "name", "language"))


@transaction.atomic
def keep(*, name: str, audience: str, code: str, text: str, own: bool, by: str, now: datetime) -> Macro:
    """Keep a macro, instead of one of that name. Raises InputError naming line and variable of every mistake."""
    wrong = [Problem("name", "is missing", "name it")] if not name.strip() else []
    if audience not in AUDIENCES:
        wrong.append(Problem("audience", f"{audience!r} is not known", f"one of {', '.join(AUDIENCES)}"))
    if not text.strip() or len(text) > LONGEST:
        wrong.append(Problem("text", f"has {len(text):,} characters", f"1 to {LONGEST:,}"))
    known = variables.REPORTER if audience == "reporter" else variables.CUSTOMER
    wrong += wrong or language.check(language.parse(text, f"macro {name}"), known, {})
    if wrong:
        raise InputError(wrong)
    made, _ = Macro.objects.update_or_create(
        name=name.strip()[:80],
        audience=audience,
        language=code,
        owner=by if own else "",
        defaults={"text": text, "at": now, "by": by},
    )
    record(by=by, action="macro.keep", subject=f"macro:{made.pk}", now=now)
    return made


@transaction.atomic
def remove(*, macro: int, by: str, now: datetime) -> None:
    """Remove one's own macro, or one of everybody's."""
    if not Macro.objects.filter(Q(owner="") | Q(owner=by), pk=macro).delete()[0]:
        raise NotFound("There is no such macro of yours.")
    record(by=by, action="macro.remove", subject=f"macro:{macro}", now=now)


def filled(macro: Macro, values: Mapping[str, Any]) -> str:
    """The macro with the case's values in it."""
    rendered = language.render(language.parse(macro.text, f"macro {macro.name}"), values, {}, lambda value, how: shown(value, how))
    text = rendered.text
    for number, value in enumerate(rendered.values):
        text = text.replace(f"{language.OPEN}{number}{language.SHUT}", value)
    return text
