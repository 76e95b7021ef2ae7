"""A submission opened up: headers, leaf parts in reading order, nested messages. Plain values, no parsing of meaning."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from tipstaff.intake.reading.charsets import MAX_TEXT, decode, is_ascii_based

if TYPE_CHECKING:
    from tipstaff.intake.vocabulary.load import Vocabulary

Answer = TypeVar("Answer")


class kept(Generic[Answer]):
    """``functools.cached_property`` without the lock that it takes up to Python 3.11: a message is read by one thread."""

    def __init__(self, find: Callable[[Any], Answer]) -> None:
        self.find, self.name, self.__doc__ = find, find.__name__, find.__doc__

    @overload
    def __get__(self, owner: None, kind: Any = None) -> "kept[Answer]": ...
    @overload
    def __get__(self, owner: object, kind: Any = None) -> Answer: ...
    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self
        found = owner.__dict__[self.name] = self.find(owner)
        return found


HEAD = 131_072  # characters of a part in which a format must show itself


@dataclass(slots=True)
class Hints:
    """What the source knows beside the bytes. All optional; never taken from the message itself."""

    filename: str | None = None
    source: str | None = None  # name of the intake source
    source_kind: str | None = None  # smtp, imap, api, form …
    received_at: datetime | None = None
    envelope_from: str | None = None  # SMTP MAIL FROM; '' for the null path
    envelope_to: tuple[str, ...] = ()
    trusted_authserv: tuple[str, ...] = ()  # authserv-ids whose Authentication-Results count
    own_domains: tuple[str, ...] = ()  # domains the desk sends from: its own mail coming back
    own_addresses: tuple[str, ...] = ()  # the desk's mailboxes
    own_networks: tuple[str, ...] = ()  # our prefixes, where known: they tell the accused from the victim
    zone: str | None = None  # the known reporter's usual time zone, IANA name
    seal_cleared: bool = False  # two people said that it was sealed by mistake (intake.clearance)
    defects: tuple[str, ...] = ()  # what the source knows to be wrong with the bytes, in words
    mapping: str | None = None  # the TOML by which the source's tables are read (reading.feeds.mapping)
    vocabulary: "Vocabulary | None" = field(default=None, compare=False, repr=False)  # the operator's, else the package's


@dataclass
class Part:
    """A leaf: transfer-decoded bytes with what is said about them."""

    content_type: str  # lower case, 'text/plain' where nothing is said
    content: bytes
    where: str  # '2', '2.1', '2/report.zip/report.csv': names the place to a person
    filename: str | None = None
    charset: str | None = None
    attachment: bool = False
    depth: int = 0  # message/rfc822 levels above it
    headers: dict[str, str] = field(default_factory=dict)  # the part's own, lower-case names
    plain: bool = False  # its bytes stand in the mail just so, and are ASCII without ESC, NUL and bare CR

    @kept
    def text(self) -> str:
        """The content as text (NUL removed, newlines as \\n), decoded by its charset, then by a guess; never fails."""
        if self.plain and is_ascii_based(self.charset) and len(self.content) <= MAX_TEXT:
            return self.content.replace(b"\r", b"").decode("ascii")
        return decode(self.content, self.charset)

    @kept
    def head(self) -> str:
        """The beginning of the text in lower case: what cheap questions before a closer look are asked of."""
        return self.text[:HEAD].lower()


@dataclass
class Message:
    """A mail, a document (JSON, XML, CSV, text) or one member of an archive."""

    kind: str  # 'mail', 'json', 'xml', 'csv', 'text', 'unknown'
    raw: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)  # in order, RFC 2047 decoded, unfolded, capped
    parts: list[Part] = field(default_factory=list)  # leaves in reading order, archives unpacked
    embedded: list["Message"] = field(default_factory=list)  # message/rfc822 and text/rfc822-headers
    hints: Hints = field(default_factory=Hints)
    defects: list[str] = field(default_factory=list)  # caps hit, broken encodings: in words, for a person
    where: str = ""
    source: Part | None = None  # the part of the message around it that it was opened from

    def header(self, name: str, default: str = "") -> str:
        """The first header of that name (any case), else ``default``."""
        found = self._by_name.get(name.lower())
        return found[0] if found else default

    def all_headers(self, name: str) -> list[str]:
        return list(self._by_name.get(name.lower(), ()))

    @kept
    def _by_name(self) -> dict[str, list[str]]:
        """Header values by lower-case name; the headers of a message do not change once it is opened."""
        found: dict[str, list[str]] = {}
        for key, value in self.headers:
            found.setdefault(key.lower(), []).append(value)
        return found

    @kept
    def letter(self) -> str:
        """What a person would read: text/plain bodies that are not attachments, else HTML as text. As written, not refanged."""
        from tipstaff.intake.reading.letters import letter_of

        return letter_of(self)

    @kept
    def folded(self) -> str:
        """The letter as ``phrases.fold`` makes it: of the same length."""
        from tipstaff.intake.reading.phrases import fold

        return fold(self.letter)

    @kept
    def said(self) -> frozenset[str] | None:
        """Which of the words that rule questions out may stand anywhere in this mail (``survey``); None: any of them."""
        from tipstaff.intake.reading.survey import survey

        return survey(self)

    def may_say(self, *words: str) -> bool:
        """Whether one of these words of the survey may stand in it: False is certain, True asks for a closer look."""
        return self.said is None or not self.said.isdisjoint(words)

    def once(self, find: Callable[["Message"], Answer]) -> Answer:
        """What ``find`` answers about this message, asked only the first time: several parsers ask the same."""
        known: dict[Any, Any] = self.__dict__.setdefault("_known", {})
        if find not in known:
            known[find] = find(self)
        return known[find]
