"""How a message of ours names its case, so that an answer finds it: subject token, plus-address, Message-ID.

Written and read here only.

A token is ``4312-abcd1234``: the case number and eight hexadecimal digits that cannot be guessed. Whether they are right is for the
caller to check against the case; reading a token proves nothing. The envelope sender says beside it which message it was
(``abuse+4312-abcd1234.m77@…``), so that a bounce tells whom it did not reach.
"""

import re2

_CASE = r"(\d{1,10}-[0-9a-f]{8})"
_SUBJECT = re2.compile(rf"(?i)\[#\s?{_CASE}\]|\[[a-z][a-z0-9 ._-]{{0,24}}\s?#\s?{_CASE}\]")
_LOCAL = re2.compile(rf"(?i)^[^@\s]{{1,64}}?[+=]{_CASE}(?:[+=.-][^@\s]*)?@")
_MESSAGE_ID = re2.compile(rf"(?i)<(?:case[.-])?{_CASE}\.[^@<>\s]{{1,100}}@[^<>\s]{{1,190}}>")
_MESSAGE_NUMBER = re2.compile(r"(?i)^[^@\s]{1,64}?[+=][0-9a-z]{1,10}-[0-9a-f]{8}\.m(\d{1,15})@")
_NUMBER_IN_ID = re2.compile(r"(?i)<[0-9a-z.-]{1,40}\.m(\d{1,15})@([^<>\s]{1,190})>")
MOST_IDS = 12  # Message-IDs that References carries; readers need the first and the last ones


def subject_with(subject: str, token: str) -> str:
    """``subject`` with the token in front, once."""
    return subject if f"[#{token}]" in subject else f"[#{token}] {subject}"


def plus_address(mailbox: str, token: str, delimiter: str = "+") -> str:
    """``abuse@example.net`` as ``abuse+4312-abcd1234@example.net`` (RFC 5233); unchanged without a delimiter."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}{delimiter}{token}@{domain}" if delimiter and token else mailbox


def return_path(mailbox: str, token: str, number: int, delimiter: str = "+") -> str:
    """The envelope sender of message ``number``; without a token ``abuse+out-<check>.m77@…`` is no case's address."""
    return plus_address(mailbox, f"{token}.m{number}" if token else "", delimiter)


def message_id(token: str, unique: str, domain: str) -> str:
    """The Message-ID of one message of a case; ``unique`` without ``@`` and blanks."""
    return f"<case.{token}.{unique}@{domain}>"


def thread_root(token: str, domain: str) -> str:
    """The Message-ID that every message of a case refers to first: it keeps the thread together whatever gets lost."""
    return message_id(token, "thread", domain)


def token_in_subject(subject: str) -> str | None:
    return _token_in(subject[:2_000])


def token_in_text(text: str) -> str | None:
    """The token of the first ``[#…]`` in a letter: an answer that was forwarded with a subject of its own."""
    return _token_in(text[:100_000])


def _token_in(text: str) -> str | None:
    """The first token in brackets. After a name, others number their mails: ``[Report#20260227-10000001]``."""
    found = (bare or named for bare, named in _SUBJECT.findall(text) if bare or not named.rpartition("-")[2].isdecimal())
    return next((token.lower() for token in found), None)


def token_in_address(address: str) -> str | None:
    match = _LOCAL.search(address.strip("<> ")[:320])
    return match.group(1).lower() if match else None


def number_in_address(address: str) -> int | None:
    """Which message an envelope sender of ours speaks of; its token is to be checked by the caller."""
    match = _MESSAGE_NUMBER.search(address.strip("<> ")[:320])
    return int(match.group(1)) if match else None


def number_in_ids(text: str) -> int | None:
    """The number of the last message of ours in an In-Reply-To, References or Message-ID field."""
    found = [int(match.group(1)) for match in _NUMBER_IN_ID.finditer(text[:20_000])]
    return found[-1] if found else None


def token_in_message_ids(text: str) -> str | None:
    """The token of the last of ours in an In-Reply-To or References field."""
    found = [match.group(1).lower() for match in _MESSAGE_ID.finditer(text[:20_000])]
    return found[-1] if found else None
