"""What a returned mail says: which message of ours came back, from whom, and why (RFC 3464, and the many that are not)."""

from dataclasses import dataclass

from tipstaff.correspondence.references import number_in_address, number_in_ids, token_in_address, token_in_message_ids
from tipstaff.intake.message import Message
from tipstaff.intake.reading.mailboxes import addresses_of
from tipstaff.intake.reading.patterns import pattern

_FIELD = pattern(r"(?im)^(final-recipient|original-recipient|action|status|diagnostic-code)\s*:\s*(\S.{0,400})$")
_STATUS = pattern(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_CODE = pattern(r"(?m)\b(5\d\d|4\d\d)[ -](?:#?[45]\.\d{1,3}\.\d{1,3}[ -]?)?\S.{0,200}")
_ADDRESS = pattern(r"[^\s<>()\[\];,:\"]{1,64}@[^\s<>()\[\];,:\"]{1,190}")
_DELAYED = ("delayed", "relayed", "delivered", "expanded")
_OURS_HEADERS = pattern(r"(?im)^(?:message-id|in-reply-to|references):\s*(<.{3,300})$")
_DELAY_WORDS = ("will continue to try", "will be retried", "delivery has been delayed", "warning: message", "still being retried",
                "wird weiter versucht", "zustellung verzögert", "delivery is delayed")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Returned:
    """``number`` and ``token`` name our message; the token is to be checked. ``final`` is False for a mere delay."""

    number: int | None
    token: str
    recipients: tuple[str, ...]
    status: str
    diagnostic: str
    final: bool


def returned(message: Message) -> Returned:
    """Read a returned mail. Never fails; what is not there is empty."""
    text = "\n".join(part.text[:20_000] for part in message.parts if part.content_type.startswith("message/"))
    fields = [(name.lower(), value.strip()) for name, value in _FIELD.findall(text)]
    letter = message.letter[:20_000]
    number, token = _which(message, letter)
    status = next((found.group(1) for name, value in fields if name == "status" and (found := _STATUS.search(value))), "")
    said = next((value.partition(";")[2].strip() or value for name, value in fields if name == "diagnostic-code"), "")
    plain = _CODE.search(letter)
    action = next((value.lower() for name, value in fields if name == "action"), "")
    return Returned(
        number=number,
        token=token,
        recipients=_recipients(fields, message),
        status=status or (found.group(1) if (found := _STATUS.search(letter)) else ""),
        diagnostic=" ".join((said or (plain.group(0) if plain else "")).split())[:300],
        final=not action.startswith(_DELAYED) and not any(words in letter.lower() for words in _DELAY_WORDS),
    )


def _which(message: Message, letter: str) -> tuple[int | None, str]:
    """Our message by the address that the bounce was sent to, else by the Message-IDs that it carries."""
    for address in (*message.hints.envelope_to, *addresses_of(message, "to", "delivered-to", "x-original-to", "envelope-to")):
        number, token = number_in_address(address), token_in_address(address) or _loose(address)
        if number is not None:
            return number, token
    carried = [f"{inner.header('message-id')}" for inner in message.embedded]
    carried += [part.text[:20_000] for part in message.parts if part.content_type == "text/rfc822-headers"]
    carried += [message.header("in-reply-to"), message.header("references")]
    carried += [found.group(1) for found in _OURS_HEADERS.finditer(letter)]
    for text in carried:
        if (number := number_in_ids(text)) is not None:
            return number, token_in_message_ids(text) or _loose(text)
    return None, ""


_LOOSE = pattern(r"(?i)[+.](out-[0-9a-f]{8})\.m\d")


def _loose(text: str) -> str:
    found = _LOOSE.search(text)
    return found.group(1).lower() if found else ""


def _recipients(fields: list[tuple[str, str]], message: Message) -> tuple[str, ...]:
    named = [value for name, value in fields if name in {"final-recipient", "original-recipient"}]
    named += message.all_headers("x-failed-recipients")
    found = [hit.group(0).lower() for text in named for hit in _ADDRESS.finditer(text[:1_000])]
    return tuple(dict.fromkeys(found))[:20]
