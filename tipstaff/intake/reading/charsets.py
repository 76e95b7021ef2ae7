"""Bytes to text, whatever the label says: the declared charset first, then what the bytes look like."""

import codecs
import re
from functools import lru_cache

MAX_TEXT = 8_000_000  # bytes of one part that are ever read as text

_ALIASES = {
    "": "utf-8",
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "utf8": "utf-8",
    "unicode": "utf-8",
    "unknown-8bit": "utf-8",
    "x-unknown": "utf-8",
    "unknown": "utf-8",
    "binary": "utf-8",
    "8bit": "utf-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso8859-1": "cp1252",
    "x-user-defined": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-windows-949": "cp949",
    "x-euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022_jp_2",
    "big5": "big5hkscs",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "cp-850": "cp850",
}
# Codecs that are not charsets of mail: slow on hostile input, or they run the text through an escape language.
_REFUSED = {"idna", "punycode", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape", "unicode-escape", "undefined"}
TORN = "\N{SYMBOL FOR NULL}"  # stands where NUL tore what may be an address: its halves are none, and together they are another one
# Begins at the beginning of a word only and never gives back what it has: its time grows with the length of the text.
_WITH_NUL = re.compile(r"""(?<![^\s\0,;<>()|"'`])[^\s\0,;<>()|"'`]*+\0[^\s,;<>()|"'`]*+""")
_MAY_NAME = re.compile(r"[0-9]|[.:@/]\w")
_HIGH = re.compile(rb"[\x80-\xff]+")
_LONE = re.compile(rb"\r(?!\n)")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARKED = tuple(bom for bom, _ in _BOMS)


def decode(content: bytes, charset: str | None) -> str:
    """``content`` as text: without NUL (``without_nul``), newlines as ``\\n``; never fails, unreadable bytes become U+FFFD.

    A byte order mark wins, then the declared charset, then UTF-8, then the likeliest of the usual eight-bit and CJK charsets.
    """
    content = content[:MAX_TEXT]
    if b"\0" in content and (name := _utf_16(content)) and not content.startswith(_MARKED):
        return _tidy(content.decode(name, "replace"))
    if content.isascii() and b"\x1b" not in content and is_ascii_based(charset):
        return _tidy(plain_ends(content).decode("ascii"))
    for bom, name in _BOMS:
        if content.startswith(bom):
            return _tidy(content[len(bom) :].decode(name, "replace"))
    for codec in (known_charset(charset), "utf-8"):
        text = _strictly(content, codec)
        if text is not None:
            return _tidy(text)
    return _tidy(_guess(content))


def is_plain(content: bytes) -> bool:
    """Whether these bytes are ASCII that no charset of mail shifts, and their lines end with CRLF or LF."""
    return (
        content.isascii() and b"\x1b" not in content and b"\0" not in content and not (b"\r" in content and _LONE.search(content))
    )


@lru_cache(maxsize=256)
def known_charset(charset: str | None) -> str | None:
    """Python's name of a declared charset, or None where the label is unknown or no charset of text."""
    low = (charset or "").strip(" \t\"'").lower()[:40]
    low = _ALIASES.get(low, low)
    try:
        info = codecs.lookup(low)
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", True) or info.name in _REFUSED:
        return None
    return info.name


@lru_cache(maxsize=256)
def is_ascii_based(charset: str | None) -> bool:
    """Whether ASCII bytes without ESC are themselves in this charset."""
    name = known_charset(charset) or "utf-8"
    return not name.startswith(("utf-16", "utf-32", "utf-7", "hz", "iso2022", "cp037", "cp500", "cp1140", "cp273"))


def plain_ends(content: bytes) -> bytes:
    """CRLF as LF where no CR stands alone, as in nearly all mail: dropping one byte costs a third of replacing two by one."""
    return content.replace(b"\r", b"") if b"\r" in content and not _LONE.search(content) else content


def _tidy(text: str) -> str:
    if "\0" in text:
        text = without_nul(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def without_nul(text: str) -> str:
    """Without NUL, as padding or within words; what may be an address is not put together across it, but becomes ``TORN``."""
    return _WITH_NUL.sub(_closed, text)


def _closed(found: "re.Match[str]") -> str:
    word = found.group().strip("\0")
    joined = word.replace("\0", "")
    return TORN if "\0" in word and _MAY_NAME.search(joined) else joined


def _utf_16(content: bytes) -> str | None:
    """The codec of a text in UTF-16 without its mark: a third of its bytes or more are NUL, nearly all on one side of the pairs."""
    odd, even = content[1::2].count(0), content[::2].count(0)
    if len(content) < 16 or (odd + even) * 3 <= len(content) or max(odd, even) < 50 * min(odd, even):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _strictly(content: bytes, name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return content.decode(name)
    except (UnicodeError, ValueError):
        return None


def _guess(content: bytes) -> str:
    """The candidate whose non-ASCII letters look most like running text; Windows-1252 where nothing does."""
    sample = content[:20_000]
    best, best_score = "cp1252", 0.0
    western = ("cp1250", "cp1252")
    for name in (
        western
        if _is_sprinkled(sample)
        else ("cp1251", "koi8-r", "gb18030", "cp932", "euc-jp", "big5hkscs", "cp949", "cp1250", "cp1252")
    ):
        score = _likeness(sample.decode(name, "replace"), name)
        if score > best_score:
            best, best_score = name, score
    return content.decode(best, "replace")


def _is_sprinkled(sample: bytes) -> bool:
    """Whether high bytes stand alone or in pairs between ASCII letters, as umlauts and accents do and other alphabets do not."""
    runs = _HIGH.findall(sample)
    high = sum(map(len, runs))
    letters = sum(1 for byte in sample if 65 <= byte <= 90 or 97 <= byte <= 122)
    return high <= 2.2 * len(runs) and high < 0.7 * letters


def _likeness(text: str, name: str) -> float:
    high = [c for c in text if c > "\x7f"]
    if not high:
        return 0.0
    if name in ("cp1251", "koi8-r"):
        good = sum(1.0 for c in high if "а" <= c <= "я") + sum(0.3 for c in high if "А" <= c <= "Я")
    elif name in ("cp932", "euc-jp"):
        good = sum(1.0 for c in high if "\u3040" <= c <= "\u30ff") + sum(0.6 for c in high if "\u4e00" <= c <= "\u9fff")
    elif name in ("gb18030", "big5hkscs"):
        good = sum(0.7 for c in high if "\u4e00" <= c <= "\u9fff" or c in "，。：；（）")
    elif name == "cp949":
        good = sum(0.9 for c in high if "\uac00" <= c <= "\ud7a3")
    elif name == "cp1250":
        good = sum(0.65 for c in high if c in "ąćęłńśźżĄĆĘŁŃŚŹŻčďěňřšťůžČĎĚŇŘŠŤŮŽáéíóúýőű")
    else:
        good = sum(0.6 for c in high if c in "äöüßÄÖÜàâçèéêëîïôùûÀÇÈÉÊáíóúñÁÍÓÚÑ¿¡ãõìòåæøÅÆØ€–—’“”„«»·°")
    return (good - 2 * text.count("\ufffd")) / len(high)
