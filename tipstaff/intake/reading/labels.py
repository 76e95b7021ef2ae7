"""``Label: value`` lines of a letter, as many notifiers write their facts. Pure."""

from dataclasses import dataclass

from tipstaff.intake.reading.patterns import pattern

MAX_LINES = 20_000
MAX_VALUE = 4_096
_LABEL = pattern(r"^[ \t>*•·-]{0,20}([\pL][\pL\pN '’()/._#-]{0,48}?)[ \t]*:(?:[ \t]+(.*)|[ \t]*)$")


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled line: ``line`` counts from 1; ``value`` may be ''."""

    name: str
    value: str
    line: int


def read_labels(text: str) -> list[Label]:
    """Every labelled line in reading order. A URL is no label (``http://``), nor is a clock."""
    found = []
    for number, line in enumerate(text.split("\n")[:MAX_LINES], 1):
        if ":" not in line[:80]:
            continue
        match = _LABEL.match(line[:MAX_VALUE].rstrip())
        if match and not (match.group(2) or "").startswith("//"):
            found.append(Label(match.group(1).strip(), (match.group(2) or "").strip(), number))
    return found


def value_of(labels: list[Label], *names: str) -> str:
    """The first non-empty value under any of ``names`` (case and punctuation do not matter); '' where there is none."""
    wanted = {squeezed(name) for name in names}
    return next((label.value for label in labels if label.value and squeezed(label.name) in wanted), "")


def lines_after(text: str, heading: str, limit: int = 500) -> list[str]:
    """The lines under a heading (``heading`` in any case, with or without colon), up to the first empty line after them."""
    lines = text.split("\n")
    wanted = heading.lower().rstrip(":")
    for number, line in enumerate(lines[:MAX_LINES]):
        low = line.strip(" \t*>").lower()
        if not low.startswith(wanted):
            continue
        block = [line.strip(" \t*>")[len(wanted) :].lstrip(": \t")] if low.rstrip(": ") != wanted else []
        for following in lines[number + 1 : number + 1 + limit]:
            if following.strip():
                block.append(following.strip())
            elif block:
                break
        return [one for one in block if one]
    return []


def squeezed(name: str) -> str:
    """Letters and digits in lower case: how labels are compared."""
    return "".join(c for c in name.lower() if c.isalnum())
