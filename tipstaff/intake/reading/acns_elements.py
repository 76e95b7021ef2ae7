"""Which elements of a notice under 17 U.S.C. 512(c)(3)(A) a letter shows by its usual words: a hint, no decision. Pure."""

from tipstaff.intake.reading.patterns import pattern

_WORDS = {
    "good_faith": pattern(r"(?i)good[\s-]+faith\s+belie|reasonable\s+good\s+faith"),
    "perjury": pattern(r"(?i)penalty\s+of\s+perjury"),
    "accuracy": pattern(r"(?i)information\s+(?:\w+\s+){0,8}(?:is|are)\s+accurate|accurate\s+to\s+the\s+best"),
    "authority": pattern(r"(?i)authori[sz]ed\s+(?:\w+\s+){0,6}to\s+act|on\s+behalf\s+of|agent\s+for"),
    "signature": pattern(r"(?i)BEGIN PGP SIGNATURE|/s/|electronic\s+signature|\b(?:sincerely|respectfully|regards)\b"),
    "contact": pattern(r"(?i)\b(?:e-?mail|phone|address)\s*:"),
}


def elements_512(letter: str) -> dict[str, bool]:
    """For each element whether the letter's words show it: good_faith, perjury, accuracy, authority, signature, contact."""
    text = letter[:100_000]
    return {name: bool(words.search(text)) for name, words in _WORDS.items()}
