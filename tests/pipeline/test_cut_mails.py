"""A mailbox gives only the beginning of what is larger than it may: whoever decides about it must know."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.spool import Accepted, accepted
from tipstaff.pipeline.reading import Reader

LETTER = b"From: rita@example.org\nTo: abuse@example.net\nSubject: %b\nMessage-ID: <1@example.org>\n\n%b\n"
SCAN = LETTER % (b"port scan", b"192.0.2.7 scanned our ports at 2026-11-22 08:00:00 UTC.")
NOTE = LETTER % (b"Lunch", b"Shall we have lunch on Friday?")


def mail(content: bytes) -> Accepted:
    moment = datetime(2026, 11, 22, 9, tzinfo=UTC)
    return accepted(source="box", kind="imap", content=content, now=moment, ref="1", cut_off_at=len(content), size=9_000_000)


@pytest.mark.parametrize(("content", "disposition"), [(SCAN, Disposition.REPORT), (NOTE, Disposition.NEEDS_A_PERSON)])
def test_what_was_cut_says_so_and_is_never_set_aside_unseen(content: bytes, disposition: Disposition) -> None:
    (draft,) = Reader().read(mail(content)).drafts
    assert draft.disposition is disposition
    assert any(f"cut at {len(content)} of 9000000 bytes" in warning for warning in draft.warnings)


def test_what_was_not_cut_says_nothing_of_it() -> None:
    (draft,) = Reader().read(replace(mail(SCAN), envelope={})).drafts
    assert not any("cut at" in warning for warning in draft.warnings)
