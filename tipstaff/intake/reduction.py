"""What is kept of a sealed mail where counsel chose digests over media: headers, text, and digests of the rest. Pure."""

import hashlib

import orjson

from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading.walk import every_message

TEXT = ("text/plain", "message/feedback-report", "application/json", "application/xml", "text/xml", "text/csv")


def reduced(messages: list[Message]) -> bytes:
    """A JSON document that stands for the mail: what can hold an image is replaced by its digest (sha256), size and type."""
    whole = [
        {
            "where": message.where,
            "headers": [list(pair) for pair in message.headers],
            "parts": [_part(part) for part in message.parts],
        }
        for top in messages
        for message in every_message(top)
    ]
    return orjson.dumps({"reduced": "media replaced by digests", "messages": whole})


def _part(part: Part) -> dict[str, str | int | None]:
    digest = hashlib.sha256(part.content).hexdigest()
    kept = {"where": part.where, "type": part.content_type, "name": part.filename, "size": len(part.content), "sha256": digest}
    # HTML and unknown types may carry an image inline; only plain text and machine-readable reports keep their content.
    return kept | ({"text": part.text} if part.content_type in TEXT and not _is_binary(part.content) else {})


def _is_binary(content: bytes) -> bool:
    return b"\0" in content[:4096] or b"data:image" in content or b";base64," in content
