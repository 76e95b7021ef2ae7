"""What the customer will see of a report, before it is sent: the same scrubbing that the desk uses for evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tipstaff.attribution.queries import own_prefixes
from tipstaff.faces.public.reading import OURS, Place
from tipstaff.reports.scrubbing import OPEN, SHUT, Scope, free_text, networks


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of text; ``gone`` says what stood here and will be removed."""

    text: str
    gone: str = ""


def scope_of(content: Mapping[str, Any], places: list[Place]) -> Scope:
    """What is the accused customer's in this report, and who stays unnamed."""
    reporter = content["reporter"]
    ours = [place for place in places if place.answer == OURS] or places
    return Scope(
        networks=networks(place.ip for place in ours if place.ip),
        domains=tuple(place.domain for place in ours if place.domain),
        own_networks=tuple(own_prefixes()),
        names=tuple(filter(None, (reporter["name"], reporter["organisation"]))),
        mail_domains=tuple(filter(None, (reporter["email"].rpartition("@")[2],))),
    )


def preview(content: Mapping[str, Any], places: list[Place]) -> list[tuple[str, list[Stretch]]]:
    """(heading, text) of everything that reaches the customer, in order."""
    scope = scope_of(content, places)
    parts = (
        ("Where", "\n".join(place.text for place in places if place.answer == OURS) or places[0].text),
        ("When", content["occurred_at"]),
        ("What", content["description"]),
        ("Details", "\n".join(str(value) for value in content["details"].values())),
        ("Text", content["text"]),
    )
    return [(heading, list(_stretches(free_text(text, scope)))) for heading, text in parts if text.strip()]


def _stretches(text: str) -> Iterator[Stretch]:
    for piece in text.split(OPEN):
        what, shut, rest = piece.partition(SHUT)
        if shut:
            yield Stretch("", what)
            piece = rest
        if piece:
            yield Stretch(piece)
