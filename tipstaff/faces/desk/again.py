"""A step of the case page that was refused: what the person sent, so that the page can show it where it was typed.

A typed confirmation is no such thing: what takes something from a customer is typed anew each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.http import HttpRequest

from tipstaff.faces.desk.nexts import Field, Next
from tipstaff.faces.desk.refusals import Refusal
from tipstaff.kernel.text import whole

MARK = 'id="step-refused"'  # stands in the page where the refusal is said
SAME_FORM = {"relate": "merge"}  # two buttons of one form
NEVER = frozenset({"csrfmiddlewaretoken", "typed"})  # never shown again
HIDDEN = frozenset({"subject", "entry", "report", "case", "event", "send", "to"})  # nobody typed these


@dataclass(frozen=True, slots=True)
class Again:
    """``step``: 'close', 'do/approve' …; ``subject``: the row that it is about; ``typed``: each field as it was sent."""

    said: Refusal
    case: int
    step: str
    subject: str
    typed: Mapping[str, str]
    events: frozenset[str] = frozenset()

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What the person wrote or chose, by the field's name in words."""
        shown = [(name, value) for name, value in self.typed.items() if name not in HIDDEN and value.strip()]
        return [(name.removeprefix("fact_").removeprefix("point_").replace("_", " "), value) for name, value in shown]


def of(request: HttpRequest, said: Refusal) -> Again:
    """What this request sent, by its address and its form."""
    given = request.resolver_match.kwargs if request.resolver_match else {}
    typed = {name: value for name, value in request.POST.items() if name not in NEVER and isinstance(value, str)}
    step = f"do/{given['step']}" if "step" in given else "duty" if "duty" in given else request.path.strip("/").rpartition("/")[2]
    subject = str(given["duty"]) if "duty" in given else typed.get("subject", "")
    case = given.get("number") or whole(typed.get("case", "")) or 0
    return Again(said, case, SAME_FORM.get(step, step), subject, typed, frozenset(request.POST.getlist("event")))


def is_of(sent: Again | None, step: Next) -> bool:
    return sent is not None and sent.step == f"do/{step.code}" and sent.subject in {str(step.subject), ""} and not step.why


def filled(step: Next, sent: Again | None) -> Next:
    """The step's form as it was sent, where it is the one that was refused."""
    if sent is None or not is_of(sent, step):
        return step
    return replace(step, fields=tuple(_field(one, sent.typed) for one in step.fields), refused=True)


def _field(one: Field, typed: Mapping[str, str]) -> Field:
    if one.kind == "typed" or one.name not in typed:
        return one
    value = typed[one.name]
    known = one.kind != "select" or value in dict(one.options)
    return replace(one, value=value if known else "")
