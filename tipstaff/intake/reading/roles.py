# ruff: noqa: SIM905 - patterns and lists of words read better whole
"""What an address can be to a letter, and the words that are read as grammar rather than as cues."""

from enum import StrEnum

from tipstaff.intake.reading.phrases import Hit
from tipstaff.intake.reading.sections import Zone

HINT, LIKELY, SAYS = 1, 2, 3  # how strongly a cue speaks


class Role(StrEnum):
    """What an address is to the letter."""

    ACCUSED = "accused"
    VICTIM = "victim"
    OTHER = "other"
    NEUTRAL = "neutral"


ROLES = {
    "accused_before": Role.ACCUSED,
    "accused_after": Role.ACCUSED,
    "victim_before": Role.VICTIM,
    "victim_after": Role.VICTIM,
    "other_before": Role.OTHER,
    "other_after": Role.OTHER,
    "neutral": Role.NEUTRAL,
}
#: Zones whose addresses can be accused.
READ_ZONES = frozenset((Zone.BODY, Zone.CLOSING, Zone.LOG, Zone.QUOTED))
#: Prepositions that say where something came from.
DIRECTED = frozenset(
    (
        "by|da|dal|dalla|de|depuis|desde|do|door|durch|from|through|durch|attraverso|tramite|poprzez|через|通过|経由|par|pelo|por|przez|seitens|uit|van|vom|von|z|от|с|со|由"
    ).split("|")
)
#: Whose a thing is: these reach over the noun to the address.
POSSESSIVE = frozenset(
    (
        "ihr|ihre|ihrem|ihren|ihrer|ihres|jullie|ma|mein|meine|meinem|meinen|meiner|mes|meu|mia|mijn|minha|mio|mon|my|"
        "nasz|nasza|nasze|naszego|naszej|naszym|nos|nossa|nossas|nosso|nossos|nostra|nostre|nostri|nostro|notre|"
        "nuestra|nuestras|nuestro|nuestros|ons|onze|our|państwa|seu|sua|unser|unsere|unserem|unseren|unserer|unseres|"
        "uw|vos|vossa|vosso|vostra|vostre|vostri|vostro|votre|vuestra|vuestro|wasz|wasza|wasze|waszego|waszej|waszym|"
        "your|yours|ваш|ваша|ваше|вашего|вашей|вашем|ваши|вашу|моего|моей|мой|моя|наш|наша|наше|нашего|нашей|нашем|"
        "наши|нашу"
    ).split("|")
)


def longest(hits: list[Hit]) -> list[Hit]:
    """Without the cues that lie inside a longer one (``to`` inside ``resolves to``)."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if not any(other.end >= hit.end and (other.end - other.start) > (hit.end - hit.start) for other in kept[-6:]):
            kept.append(hit)
    return kept
