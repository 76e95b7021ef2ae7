"""Ways through an opened message."""

from collections.abc import Iterator

from tipstaff.intake.message import Message, Part


def every_message(message: Message) -> Iterator[Message]:
    """``message`` and each message inside it, outer ones first."""
    waiting = [message]
    while waiting:
        current = waiting.pop(0)
        yield current
        waiting[:0] = current.embedded


def every_part(message: Message) -> Iterator[Part]:
    """The leaves of ``message`` and of each message inside it."""
    for each in every_message(message):
        yield from each.parts
