"""Pages in five languages: the English sentence is the key, one TOML file a language in a package has the others.

A face makes one :class:`Sentences` over the package of its own files; nothing is compiled, and a test of the face finds every
sentence that lacks a translation. The choice of a language is the same everywhere: what was chosen here, what is known of the
reader, what the browser asks for, English.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from tomllib import loads
from typing import Any

from django.http import HttpRequest
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation.trans_real import parse_accept_lang_header

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "nl": "Nederlands"}


class Sentence(str):
    """Text that knows which sentences it was made of, so that it can be said in another language where it is shown."""

    parts: tuple[tuple[str, Mapping[str, Any]], ...]

    @classmethod
    def of(cls, text: str, **values: Any) -> "Sentence":
        made = cls(text.format(**values) if values else text)
        made.parts = ((text, values),)
        return made

    @classmethod
    def joined(cls, texts: Iterable[str]) -> "Sentence":
        """Several sentences, one after the other."""
        rows = [one if isinstance(one, Sentence) else cls.of(one) for one in texts]
        made = cls(" ".join(rows))
        made.parts = tuple(part for one in rows for part in one.parts)
        return made


@cache
def _catalogue(package: str, code: str) -> Mapping[str, str]:
    return {} if code == "en" else loads((files(package) / f"{code}.toml").read_text("utf-8"))


class Sentences:
    """The sentences of one face. ``package`` holds its files; ``cookie`` keeps what a reader chose."""

    def __init__(self, package: str, cookie: str) -> None:
        self.package, self.cookie = package, cookie

    def catalogue(self, code: str) -> Mapping[str, str]:
        """English sentence → the same in another language."""
        return _catalogue(self.package, code)

    def say(self, code: str, text: str, **values: Any) -> str:
        """The sentence in a language, its {places} filled."""
        parts = text.parts if isinstance(text, Sentence) else ((text, values),)
        known = self.catalogue(code)
        return " ".join(known.get(key, key).format(**given) if given else known.get(key, key) for key, given in parts)

    def said(self, code: str, text: str, **values: Any) -> SafeString:
        """The same for a page: everything but markup of ours is escaped."""
        parts = text.parts if isinstance(text, Sentence) else ((text, values),)
        known = self.catalogue(code)
        pieces = [(escape(known.get(key, key)), given) for key, given in parts]
        shown = [format_html(piece, **given) if given else piece for piece, given in pieces]
        return mark_safe(" ".join(shown))  # noqa: S308 - each piece is escaped above

    def chosen(self, request: HttpRequest, preferred: str = "") -> str:
        """The language of a page: what was chosen here, what the reader is known to prefer, the browser's, English."""
        asked = request.GET.get("language", "") or request.COOKIES.get(self.cookie, "")
        for code in (asked, preferred):
            if short(code):
                return short(code)
        for code, weight in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "")[:500].lower()):
            if weight and short(code):
                return short(code)
        return "en"


def short(code: str) -> str:
    """'de-AT' → 'de'; empty for a language that is not spoken here."""
    found = code.strip().lower().replace("_", "-").partition("-")[0]
    return found if found in LANGUAGES else ""
