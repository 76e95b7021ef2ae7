"""What the public pages say, in five languages; the policy's own text stays in the language that it was published in."""

from tipstaff.correspondence import catalogue as letters
from tipstaff.kernel.sentences import LANGUAGES, Sentence, Sentences, short

__all__ = ["COOKIE", "LANGUAGES", "Sentence", "catalogue", "chosen", "said", "say", "short"]
COOKIE = "tipstaff_public_language"
_SENTENCES = Sentences("tipstaff.faces.public.wording", COOKIE)
catalogue, say, said, chosen = _SENTENCES.catalogue, _SENTENCES.say, _SENTENCES.said, _SENTENCES.chosen


def category(code: str, name: str, own: str, spoken: str) -> str:
    """The kind of conduct as the reader's language calls it; the edition's own title where it speaks that language."""
    return own if code == spoken else letters.packaged(code).word("categories", name) or own


def removed(code: str, what: str) -> str:
    """What was taken out of the evidence, as the letters call it."""
    return letters.label(code, what)
