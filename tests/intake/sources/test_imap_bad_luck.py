"""Mailboxes whose server fails, lies, hangs or renumbers: nothing is lost or taken twice, and one mail does not block the rest.
A real Dovecot; what it would not say by itself is put into its answers on the way."""

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.intake.sources import dovecot
from tests.intake.sources.reading_desk import NOW, Desk, mail
from tests.intake.sources.tampering import Change, Tampering, tampering
from tipstaff.intake.sources import imap_reading
from tipstaff.intake.sources.imap_reading import Position

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(dovecot.MISSING), reason=dovecot.MISSING)]
LATER = timedelta(minutes=6)


@pytest.fixture
def between(server: dovecot.Dovecot) -> Iterator[Tampering]:
    with tampering(server.port) as found:
        yield found


@pytest.fixture
def crooked(server: dovecot.Dovecot, between: Tampering, tmp_path: Path, user: str) -> Iterator[Desk]:
    """A desk that reads through the tampering."""
    found = Desk(server, tmp_path, user, port=between.port)
    yield found
    between.change = lambda command, answer: None
    found.mailbox.close()


def spoiling(uid: int, spoil: Callable[[bytes, bytes], tuple[bytes, bool]]) -> Change:
    """Spoils whichever answer brings the bytes of that mail."""

    def change(command: bytes, answer: bytes) -> tuple[bytes, bool] | None:
        return spoil(command, answer) if b"BODY.PEEK" in command and b"UID %d " % uid in answer else None

    return change


def cut_in_the_literal(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return answer[: answer.index(b"Subject: m001") + 4], True


def refused(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return command.split(b" ")[0] + b" NO [SERVERBUG] internal error\r\n", False


def bye(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return b"* BYE the mail cannot be read\r\n", True


def without_bytes(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return re.sub(rb"BODY\[\]<0> \{\d+\}\r\nFrom: rita(?s:.*?)m001(?s:.*?)\r\n\)", b"BODY[]<0> NIL)", answer), False


def counted_too_high(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return re.sub(rb"\{(\d+)\}", lambda found: b"{%d}" % (int(found[1]) + 40), answer), True


def counted_too_low(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return re.sub(rb"\{(\d+)\}", lambda found: b"{%d}" % (int(found[1]) - 40), answer), False


def counted_beyond_all_memory(command: bytes, answer: bytes) -> tuple[bytes, bool]:
    return re.sub(rb"\{(\d+)\}", b"{999999999999}", answer), False


WAYS = (cut_in_the_literal, refused, bye, without_bytes, counted_too_high, counted_too_low, counted_beyond_all_memory)


@pytest.mark.parametrize("spoil", WAYS, ids=lambda way: way.__name__)
def test_a_mail_that_the_server_cannot_hand_out_does_not_hold_up_the_others(
    crooked: Desk, between: Tampering, spoil: Callable[[bytes, bytes], tuple[bytes, bool]]
) -> None:
    crooked.server.deliver(*map(mail, range(3)), user=crooked.user)
    between.change = spoiling(2, spoil)
    assert crooked.read() == 2
    assert crooked.subjects() == ["m000", "m002"] and crooked.owed == [2]
    crooked.server.deliver(mail(3), user=crooked.user)
    assert crooked.read() == 1  # it is not asked for again at once
    between.change = lambda command, answer: None
    assert crooked.read() == 0 and crooked.owed == [2]
    assert crooked.read(LATER) == 1
    assert crooked.subjects() == ["m000", "m001", "m002", "m003"] and crooked.owed == []
    assert all(item.content == mail(int(item.source_ref[-1]) - 1) for item in crooked.spool.read(crooked.spool.waiting()))


def test_what_is_owed_says_since_when_and_why_and_is_asked_for_more_and_more_rarely(crooked: Desk, between: Tampering) -> None:
    crooked.server.deliver(*map(mail, range(3)), user=crooked.user)
    between.change = spoiling(2, refused)
    crooked.read()
    assert crooked.position is not None
    owed = crooked.position.owed[2]
    assert (owed.since, owed.tries, owed.again) == (NOW.isoformat(), 3, (NOW + timedelta(minutes=5)).isoformat())
    assert "SERVERBUG" in owed.why
    assert crooked.read(LATER) == 0
    again = crooked.position.owed[2]
    assert (again.since, again.tries, again.again) == (owed.since, 4, (NOW + LATER + timedelta(minutes=10)).isoformat())
    with crooked.server.client(crooked.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([2])
        client.expunge()
    assert crooked.read(timedelta(hours=1)) == 0
    assert crooked.owed == []  # somebody removed it; there is nothing to ask for


def test_a_server_that_hands_out_nothing_is_not_passed_over(
    crooked: Desk, between: Tampering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_reading, "MOST_OWED", 2)
    crooked.server.deliver(*map(mail, range(5)), user=crooked.user)
    between.change = lambda command, answer: refused(command, answer) if b"BODY.PEEK" in command else None
    assert "has not handed out 2 mails" in crooked.try_to_read()
    between.change = lambda command, answer: None
    assert "".join(crooked.try_to_read() for _ in range(2)) == ""
    assert crooked.subjects() == [f"m{number:03}" for number in range(5)]


def test_a_server_that_hangs_on_one_mail_is_left_for_a_new_connection(
    crooked: Desk, between: Tampering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_reading, "TRIES", 1)
    crooked.server.deliver(*map(mail, range(2)), user=crooked.user)
    crooked.read()
    crooked.mailbox.close()
    crooked.mailbox.timeout = 2
    crooked.server.deliver(*map(mail, range(2, 4)), user=crooked.user)
    between.change = spoiling(3, lambda command, answer: (answer[:-30], False))  # the rest never comes
    while not crooked.owed:  # where the machine is slow, good answers come too late too
        crooked.try_to_read()
    assert 3 in crooked.owed and "m002" not in crooked.subjects()
    assert "timed out" in (crooked.position or Position(0, 0)).owed[3].why
    between.change, crooked.mailbox.timeout = (lambda command, answer: None), 60
    crooked.mailbox.close()
    crooked.read(LATER)
    assert crooked.subjects() == [f"m{number:03}" for number in range(4)]


STATES = (b"LOGIN", b"SELECT", b"EXAMINE", b"NOOP", b"SEARCH", b"RFC822.SIZE)", b"BODY.PEEK", b"MOVE", b"LIST")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.decode())
def test_a_connection_lost_in_any_state_costs_nothing(
    between: Tampering, server: dovecot.Dovecot, tmp_path: Path, user: str, state: bytes
) -> None:
    moving = {} if state == b"EXAMINE" else {"move_to": "Taken"}
    desk = Desk(server, tmp_path, user, port=between.port, **moving)
    desk.try_to_read()  # the first visit, of an empty mailbox
    server.deliver(*map(mail, range(3)), user=user)
    desk.mailbox.close()
    met: list[bytes] = []

    def change(command: bytes, answer: bytes) -> tuple[bytes, bool] | None:
        if state in command and not met:
            met.append(command)
            return (answer[: len(answer) // 2], True)
        return None

    between.change = change
    for _ in range(3):
        desk.try_to_read()
    assert met, [command[:40] for command in between.commands]
    assert desk.subjects() == ["m000", "m001", "m002"] and desk.owed == []
    assert not moving or (desk.left(), desk.left("Taken")) == (0, 3)
    desk.mailbox.close()


@pytest.mark.parametrize("told", [b"7", b"99999"])
def test_a_wrong_size_neither_cuts_a_mail_nor_calls_it_cut(crooked: Desk, between: Tampering, told: bytes) -> None:
    crooked.server.deliver(mail(1), user=crooked.user)
    between.change = lambda command, answer: (re.sub(rb"RFC822\.SIZE \d+", b"RFC822.SIZE " + told, answer), False)
    assert crooked.read() == 1
    (item,) = crooked.spool.read(crooked.spool.waiting())
    assert item.content == mail(1) and "cut_off_at" not in item.envelope


def test_a_server_that_gives_less_than_was_asked_for_is_asked_for_the_rest(crooked: Desk, between: Tampering) -> None:
    crooked.server.deliver(mail(1), user=crooked.user)

    def change(command: bytes, answer: bytes) -> tuple[bytes, bool] | None:
        if b"BODY.PEEK[]<0." not in command:
            return None
        head, body = answer.split(b"}\r\n", 1)
        return re.sub(rb"\{\d+$", b"{30", head) + b"}\r\n" + body[:30] + body[body.rindex(b")\r\n") :], False

    between.change = change
    assert crooked.read() == 1
    (item,) = crooked.spool.read(crooked.spool.waiting())
    assert item.content == mail(1)


def test_a_huge_mail_is_taken_once_cut_and_does_not_come_again(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, max_bytes=2000, move_to="Taken")
    server.deliver(mail(0), mail(1, "y" * 3_000_000), mail(2), user=user)
    assert [desk.read(), desk.read()] == [3, 0]
    told = {item.envelope["uid"]: item.envelope for item in desk.spool.read(desk.spool.waiting())}
    assert (told[2]["cut_off_at"], told[2]["size"]) == (2000, len(mail(1, "y" * 3_000_000)))
    assert "cut_off_at" not in told[1] and "cut_off_at" not in told[3]
    assert desk.left("Taken") == 3
    desk.mailbox.close()


def test_only_what_is_durably_taken_is_moved(server: dovecot.Dovecot, between: Tampering, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, port=between.port, move_to="Taken")
    server.deliver(*map(mail, range(3)), user=user)
    between.change = spoiling(2, without_bytes)
    assert desk.read() == 2
    assert (desk.left(), desk.left("Taken")) == (1, 2)
    desk.position = Position(desk.mailbox.validity, 2, 1)  # as if it had been noted as read, with nothing to show for it
    desk.read()
    assert (desk.left(), desk.left("Taken")) == (1, 2)
    desk.mailbox.close()


def test_a_renumbered_mailbox_gives_what_is_older_than_the_newest_too(desk: Desk) -> None:
    old, new = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    desk.server.deliver(mail(0), mail(1), user=desk.user, at=new)
    assert desk.read() == 2
    desk.mailbox.close()
    desk.server.deliver(mail(2), user=desk.user, at=old)  # it came in later, with the date of another mailbox
    desk.server.renumber(desk.user, 7)
    assert desk.read() == 1 and desk.mailbox.validity == 7
    assert desk.subjects() == ["m000", "m001", "m002"]
    assert [desk.read(), desk.read(LATER)] == [0, 0]


def test_after_renumbering_each_copy_of_equal_bytes_is_one_submission(desk: Desk) -> None:
    desk.server.deliver(mail(5), mail(5), user=desk.user)
    assert desk.read() == 2
    desk.mailbox.close()
    desk.server.deliver(mail(5), mail(6), user=desk.user)
    desk.server.renumber(desk.user, 8)
    assert desk.read() == 2
    assert desk.subjects() == ["m005", "m005", "m005", "m006"]
    desk.mailbox.close()
    desk.server.renumber(desk.user, desk.position.validity + 1 if desk.position else 9)
    assert desk.read() == 0


def test_a_numbering_that_was_there_before_stands_for_other_mails(desk: Desk) -> None:
    desk.server.deliver(mail(0), user=desk.user)
    desk.read()
    for validity, number in ((21, 1), (22, 2), (21, 3)):
        desk.mailbox.close()
        with desk.server.client(desk.user) as client:
            client.select_folder("INBOX")
            client.delete_messages(client.search("ALL"))
            client.expunge()
        desk.server.deliver(mail(number), user=desk.user)
        desk.server.renumber(desk.user, validity)
        assert desk.read() == 1
    assert desk.subjects() == ["m000", "m001", "m002", "m003"]


def test_a_mailbox_made_anew_under_the_same_uidvalidity_is_noticed(desk: Desk) -> None:
    desk.server.deliver(mail(0), mail(1), user=desk.user)
    assert desk.read() == 2
    validity = desk.mailbox.validity
    desk.mailbox.close()
    with desk.server.client(desk.user) as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search("ALL"))
        client.expunge()
    desk.server.deliver(mail(2), user=desk.user)
    desk.server.renumber(desk.user, validity)
    assert desk.read() == 1
    assert desk.subjects() == ["m000", "m001", "m002"]


def test_what_was_there_before_the_first_visit_stays_so_after_renumbering(
    server: dovecot.Dovecot, tmp_path: Path, user: str
) -> None:
    desk = Desk(server, tmp_path, user, first=2)
    server.deliver(*map(mail, range(3)), user=user, at=datetime(2026, 1, 1, tzinfo=UTC))
    server.deliver(mail(3), mail(4), user=user, at=datetime(2026, 10, 1, tzinfo=UTC))
    assert desk.read() == 2
    desk.mailbox.close()
    server.deliver(mail(5), user=user, at=datetime(2026, 10, 2, tzinfo=UTC))
    server.renumber(user, 9)
    assert desk.read() == 1
    assert desk.subjects() == ["m003", "m004", "m005"]
    desk.mailbox.close()


def test_renumbering_that_is_interrupted_begins_again_and_takes_nothing_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_reading, "AT_ONCE", 2)
    desk.server.deliver(mail(0), mail(1), mail(1), user=desk.user)
    assert desk.read() == 3
    desk.mailbox.close()
    desk.server.deliver(mail(1), mail(2), mail(3), user=desk.user)
    desk.server.renumber(desk.user, 10)
    calls: list[int] = []

    def stopping() -> bool:
        calls.append(1)
        return len(calls) == 2

    desk.mailbox.stopped = stopping
    desk.read()
    desk.mailbox.stopped = lambda: False
    desk.read()
    assert desk.subjects() == ["m000", "m001", "m001", "m001", "m002", "m003"]


def test_a_first_visit_that_is_interrupted_misses_nothing_that_came_meanwhile(
    server: dovecot.Dovecot, tmp_path: Path, user: str
) -> None:
    desk = Desk(server, tmp_path, user, first=2)
    server.deliver(*map(mail, range(4)), user=user)
    desk.mailbox.stopped = lambda: True
    kept = desk.keep
    desk.keep = lambda position: kept(position) if desk.position is None else (_ for _ in ()).throw(OSError("killed"))  # type: ignore[method-assign]
    assert "killed" in desk.try_to_read()
    desk.keep = kept  # type: ignore[method-assign]
    server.deliver(*map(mail, range(4, 9)), user=user)
    desk.mailbox.stopped = lambda: False
    desk.read()
    assert desk.subjects() == [f"m{number:03}" for number in range(2, 9)]
    desk.mailbox.close()


def test_killed_between_taking_and_noting_it_goes_on_without_repeating(desk: Desk) -> None:
    desk.server.deliver(*map(mail, range(3)), user=desk.user)

    def child() -> None:
        def killed(position: Position) -> None:
            if position.uid:
                os.kill(os.getpid(), signal.SIGKILL)

        desk.keep = killed  # type: ignore[method-assign]
        desk.read()

    one = multiprocessing.get_context("fork").Process(target=child)
    one.start()
    one.join(60)
    assert one.exitcode == -signal.SIGKILL and desk.spool.count() == 3
    assert desk.read() == 3  # asked for again, and the same submissions
    assert desk.subjects() == ["m000", "m001", "m002"]


def test_a_mailbox_that_is_deleted_or_renamed_says_so_and_is_read_on_when_it_is_back(
    server: dovecot.Dovecot, tmp_path: Path, user: str
) -> None:
    desk = Desk(server, tmp_path, user)
    desk.mailbox.name = "Abuse"
    server.deliver(mail(0), mailbox="Abuse", user=user)
    assert desk.read() == 1
    with server.client(user) as client:
        client.rename_folder("Abuse", "Elsewhere")
    said = [desk.try_to_read() for _ in range(2)]
    assert "'Abuse' of mail cannot be opened" in said[1]
    with server.client(user) as client:
        client.rename_folder("Elsewhere", "Abuse")
    server.deliver(mail(1), mailbox="Abuse", user=user)
    assert desk.read() == 1
    with server.client(user) as client:
        client.delete_folder("Abuse")
    said = [desk.try_to_read() for _ in range(2)]
    assert "cannot be opened" in said[1]
    server.deliver(mail(2), mailbox="Abuse", user=user)  # made anew
    desk.read()
    assert desk.subjects() == ["m000", "m001", "m002"]
    desk.mailbox.close()


def test_folder_names_of_all_scripts(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, move_to="Erledigt & übernommen")
    desk.mailbox.name = "Beschwerden.日本語 & Übel"
    server.deliver(mail(0), mailbox=desk.mailbox.name, user=user)
    assert desk.read() == 1
    assert (desk.left(desk.mailbox.name), desk.left("Erledigt & übernommen")) == (0, 1)
    (item,) = desk.spool.read(desk.spool.waiting())
    assert item.source_ref.startswith("Beschwerden.日本語 & Übel/") and item.envelope["mailbox"] == desk.mailbox.name
    desk.mailbox.close()


def test_two_that_read_one_mailbox_at_once_take_each_mail_once(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    one, other = Desk(server, tmp_path, user), Desk(server, tmp_path, user)
    server.deliver(*map(mail, range(3)), user=user)
    one.mailbox.open()
    other.mailbox.open()
    assert (one.read(), other.read()) == (3, 3)
    assert one.subjects() == ["m000", "m001", "m002"]
    server.deliver(mail(3), mail(4), user=user)
    one.read()
    other.position = one.position  # it has the turn now; what its connection knows is older than that
    assert other.read() == 0 and other.position == one.position
    assert one.subjects() == ["m000", "m001", "m002", "m003", "m004"]
    one.mailbox.close()
    other.mailbox.close()
