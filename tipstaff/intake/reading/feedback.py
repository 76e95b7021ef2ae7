"""The machine-readable part of an ARF report (RFC 5965 section 3) as fields; shared by the parser and the dispositions."""

from dataclasses import dataclass, field

from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.headers import read_headers
from tipstaff.intake.reading.marks import FEEDBACK

_TYPES = {"message/feedback-report", "message/feedback_report", "application/feedback-report"}


@dataclass(slots=True)
class Fields:
    """Field values by lower-case name, repeated ones in order."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str) -> str:
        found = self.values.get(name)
        return found[0] if found else ""

    def every(self, name: str) -> list[str]:
        return [value for value in self.values.get(name, []) if value]


def feedback_part(message: Message) -> Part | None:
    """The report part of ``message`` itself: by its type, or a text part that consists of such fields."""
    for part in message.parts:
        if part.content_type in _TYPES:
            return part
    for part in message.parts if message.may_say(FEEDBACK) else ():
        if (
            part.content_type in ("text/plain", "application/octet-stream")
            and b"eedback-" in part.content[:2_000]
            and _reads_so(part)
        ):
            return part
    return None


def _reads_so(part: Part) -> bool:
    fields = feedback_fields(part)
    return bool(fields.first("feedback-type") and fields.first("user-agent") and fields.first("version"))


def feedback_fields(part: Part) -> Fields:
    """The part's fields; empty lines between them are passed over."""
    lines = part.content[:200_000].replace(b"\r\n", b"\n").split(b"\n")
    found = Fields()
    for key, value in read_headers(b"\n".join([line for line in lines if line.strip()]), part.plain).fields:
        values = found.values.setdefault(key.lower(), [])
        if len(values) < 1_000:
            values.append(value)
    return found
