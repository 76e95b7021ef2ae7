"""Mailbox headers (RFC 5322 section 3.4): who wrote, to whom."""

from functools import lru_cache

from tipstaff.intake.drafts import Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.patterns import pattern

_ADDRESS = pattern(r"<\s*(?:mailto:)?([^<>\s\"]{1,254}@[^<>\s\"]{1,254})\s*>")
_PLAIN = frozenset('<> "\t\n\r\f\v')  # what is in no address between angles
_SEPARATORS = str.maketrans(dict.fromkeys('<>",;:()[]', " "))
_BARE = pattern(r"([^\s<>\",;:()\[\]]{1,128}@[^\s<>\",;:()\[\]]{1,190})")


def mailbox(text: str) -> tuple[str | None, str | None]:
    """Display name and address of the first mailbox in ``text``; either may be None."""
    return _mailbox(text[:1_000])


@lru_cache(maxsize=2_048)
def _mailbox(text: str) -> tuple[str | None, str | None]:
    text = text.strip()
    if "@" not in text:
        return (text.strip("\"' <>") or None), None
    before, email, behind = _cut(text)
    if not email:
        return (text.strip("\"' <>") or None), None
    email = email.strip(".").strip("'")
    local, _, domain = email.rpartition("@")
    name = before.strip().strip("\"' ").strip()
    if not name and "(" in behind:
        name = behind.partition("(")[2].partition(")")[0].strip()
    return (name if name and name.lower() != email.lower() else None), f"{local}@{domain.lower()}"


def _cut(text: str) -> tuple[str, str, str]:
    """What stands before the first address, the address, and what stands behind it; the address is empty where there is none."""
    before, angle, rest = text.partition("<")
    address, closed, behind = rest.partition(">")
    if closed and not behind and _PLAIN.isdisjoint(address) and address.isascii() and 3 <= len(address) <= 254:
        local, _, domain = address.partition(
            "@"
        )  # nearly all are so; the pattern with its counted repetitions costs ten times this
        if local and domain and not local.startswith("mailto:"):
            return before, address, ""
    match = (_ADDRESS.search(text) if angle else None) or _BARE.search(text)
    return (text[: match.start()], match.group(1), text[match.end() :]) if match else (text, "", "")


def addresses_of(message: Message, *headers: str) -> list[str]:
    """Every address in these headers, in lower case."""
    return [address for name in headers for value in message.all_headers(name) if "@" in value for address in _addresses(value)]


@lru_cache(maxsize=2_048)
def _addresses(value: str) -> tuple[str, ...]:
    return tuple([word.lower() for word in value.translate(_SEPARATORS).split() if "@" in word[1:-1]])


def sender_of(message: Message) -> Reporter:
    """Name and address that the mail states for its writer: From, else Sender, Reply-To, Return-Path."""
    for header in ("from", "sender", "reply-to", "return-path"):
        name, email = mailbox(message.header(header))
        if email:
            return Reporter(name=name, email=email)
    return Reporter(name=mailbox(message.header("from"))[0])
