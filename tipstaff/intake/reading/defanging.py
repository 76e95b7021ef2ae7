"""What writers do to an address or a link so that nobody clicks it, and how it is undone. RE2 throughout."""

from tipstaff.intake.reading.patterns import pattern

MAX_TEXT = 1_000_000  # characters that are ever searched
#: A dot as each language writes it where nobody shall click.
DOT_WORD = r"(?:dot|punkt|punto|point|ponto|kropka|punt|точка|点|點|ドット)"
_LITERAL_DOTS = tuple(before + mark + after for mark in ("[.]", "(.)", "{.}") for before in (" ", "") for after in (" ", ""))
_WORD_DOT = pattern(rf"(?i)\s?[\[({{]{DOT_WORD}[\])}}]\s?")
_REFANG_HALF = pattern(r"([0-9A-Za-z])(?:\[\.|\.\])([0-9A-Za-z])")
REFANG_AT = pattern(r"(?i)\s?(?:\[at\]|\(at\)|\{at\}|\[@\]|\(@\))\s?")
_REFANG_COLON = pattern(r"\[:\]|\(:\)")
_REFANG_SLASHES = pattern(r"\[(:?//)\]|\[/\]\[/\]|\[:\\?/\\?/\]|:\\/\\/")
_REFANG_SCHEME = pattern(r"(?i)\bh(?:xx|\*\*|tx|xt|__)p(s?)\s?(://|__)")
_REFANG_MEOW = pattern(r"(?i)\bmeow(s?)://")
_REFANG_FTP = pattern(r"(?i)\bfxp(s?)://")


def refang(text: str) -> str:
    """``text`` with defanged dots, at signs, colons and schemes as they were (``hxxp://a[.]b`` → ``http://a.b``)."""
    text = text[:MAX_TEXT]
    if "[" in text or "(" in text or "{" in text or "\\" in text:
        text = _REFANG_COLON.sub(":", text)
        text = _REFANG_SLASHES.sub(lambda m: "://" if ":" in m.group() else "//", text)
        text = text.replace("[/]", "/")
        for mark in _LITERAL_DOTS:
            text = text.replace(mark, ".")
        text = text.replace("\\.", ".")
        text = _WORD_DOT.sub(".", text)
        text = REFANG_AT.sub("@", text)
        text = _REFANG_HALF.sub(r"\1.\2", text)
    low = text.lower()
    if "p" not in low and "meow" not in low:  # no scheme at all
        return text
    if "hxx" in low or "h**" in low or "htx" in low or "hxt" in low or "h__" in low:
        text = _REFANG_SCHEME.sub(r"http\1://", text)
    if "meow" in low:
        text = _REFANG_MEOW.sub(r"http\1://", text)
    return _REFANG_FTP.sub(r"ftp\1://", text) if "fxp" in low else text
