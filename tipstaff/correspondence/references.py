"""How a message of ours names its case, so that an answer finds it: subject token, plus-address, Message-ID.

Written and read here only.

A token is ``4312-abcd1234``: the case number and eight hexadecimal digits that cannot be guessed. Whether they are right is for the
caller to check against the case; reading a token proves nothing.
"""

import re2

_CASE = r"(\d{1,10}-[0-9a-f]{8})"
_SUBJECT = re2.compile(rf"(?i)\[(?:[a-z][a-z0-9 ._-]{{0,24}}\s?)?#\s?{_CASE}\]")
_LOCAL = re2.compile(rf"(?i)^[^@\s]{{1,64}}?[+=]{_CASE}(?:[+=.-][^@\s]*)?@")
_MESSAGE_ID = re2.compile(rf"(?i)<(?:case[.-])?{_CASE}\.[^@<>\s]{{1,100}}@[^<>\s]{{1,190}}>")


def subject_with(subject: str, token: str) -> str:
    """``subject`` with the token in front, once."""
    return subject if f"[#{token}]" in subject else f"[#{token}] {subject}"


def plus_address(mailbox: str, token: str) -> str:
    """``abuse@example.net`` as ``abuse+4312-abcd1234@example.net`` (RFC 5233)."""
    local, _, domain = mailbox.rpartition("@")
    return f"{local}+{token}@{domain}"


def message_id(token: str, unique: str, domain: str) -> str:
    """The Message-ID of one message of a case; ``unique`` without ``@`` and blanks."""
    return f"<case.{token}.{unique}@{domain}>"


def token_in_subject(subject: str) -> str | None:
    match = _SUBJECT.search(subject[:2_000])
    return match.group(1).lower() if match else None


def token_in_address(address: str) -> str | None:
    match = _LOCAL.search(address.strip("<> ")[:320])
    return match.group(1).lower() if match else None


def token_in_message_ids(text: str) -> str | None:
    """The token of the last of ours in an In-Reply-To or References field."""
    found = [match.group(1).lower() for match in _MESSAGE_ID.finditer(text[:20_000])]
    return found[-1] if found else None
