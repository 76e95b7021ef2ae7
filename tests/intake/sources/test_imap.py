"""Reading mailboxes, against a real Dovecot."""

import threading
import time
from pathlib import Path

import pytest

from tests.intake.sources import dovecot
from tests.intake.sources.reading_desk import Desk, mail
from tipstaff.intake.sources import imap, imap_login, imap_reading
from tipstaff.kernel.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(dovecot.MISSING), reason=dovecot.MISSING)]


def test_new_mail_is_taken_once_and_nothing_changes_in_the_mailbox(desk: Desk) -> None:
    desk.server.deliver(*map(mail, range(3)), user=desk.user)
    assert desk.read() == 3
    assert desk.read() == 0
    desk.server.deliver(mail(3), user=desk.user)
    assert desk.read() == 1
    assert desk.subjects() == ["m000", "m001", "m002", "m003"]
    with desk.server.client(desk.user) as client:
        client.select_folder("INBOX", readonly=True)
        assert len(client.search("UNSEEN")) == 4
    (first, *_) = [item for item in desk.spool.read(desk.spool.waiting()) if b"m000" in item.content]
    assert first.source_ref == f"INBOX/{desk.mailbox.validity}/1"
    assert first.content == mail(0)


def test_the_first_visit_takes_the_last_mails_only(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, first=5)
    server.deliver(*map(mail, range(30)), user=user)
    assert desk.read() == 5
    server.deliver(mail(30), user=user)
    assert desk.read() == 1
    assert desk.subjects() == ["m025", "m026", "m027", "m028", "m029", "m030"]
    desk.mailbox.close()


def test_an_empty_mailbox_takes_what_comes_later(desk: Desk) -> None:
    assert desk.read() == 0
    desk.server.deliver(mail(1), user=desk.user)
    assert desk.read() == 1
    assert desk.read() == 0


def test_killed_before_the_position_was_kept_nothing_is_taken_twice(desk: Desk) -> None:
    desk.server.deliver(*map(mail, range(60)), user=desk.user)
    kept, calls = desk.keep, []

    def killed(position: imap_reading.Position) -> None:
        calls.append(position)
        if len(calls) == 2:
            raise KeyboardInterrupt
        kept(position)

    desk.keep = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        desk.read()
    desk.mailbox.close()
    desk.keep = kept  # type: ignore[method-assign]
    desk.read()
    assert desk.spool.count() == 50  # the customary number of a first visit
    assert len(desk.subjects()) == len(set(desk.subjects()))


def test_a_renumbered_mailbox_is_read_on_without_repeating(desk: Desk) -> None:
    desk.server.deliver(*map(mail, range(4)), user=desk.user)
    assert desk.read() == 4
    before = desk.mailbox.validity
    desk.mailbox.close()
    with desk.server.client(desk.user) as client:
        client.create_folder("Other")
        client.select_folder("INBOX")
        client.copy(client.search("ALL"), "Other")  # keeps the internal dates
        client.delete_messages(client.search("ALL"))
        client.expunge()
    root = desk.server.base / "mail" / desk.user
    for name in ("dovecot-uidlist", "dovecot-uidvalidity"):
        (root / name).unlink(missing_ok=True)
    for stale in [*root.glob("dovecot.index*"), *root.glob("dovecot-uidvalidity.*")]:
        stale.unlink()
    time.sleep(1.1)  # the number of a numbering is the second it began
    with desk.server.client(desk.user) as client:
        client.select_folder("Other")
        client.copy(client.search("ALL"), "INBOX")
    desk.server.deliver(mail(4), user=desk.user)
    came = desk.read()
    assert desk.mailbox.validity != before
    assert came == 5 or desk.subjects() == ["m000", "m001", "m002", "m003", "m004"]
    assert desk.subjects() == ["m000", "m001", "m002", "m003", "m004"]
    assert desk.read() == 0


def test_taken_mail_is_moved_where_the_operator_wants_it(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, first=2, move_to="Taken")
    server.deliver(*map(mail, range(4)), user=user)
    assert desk.read() == 2
    assert (desk.left(), desk.left("Taken")) == (2, 2)  # older mail than that of the first visit stays
    server.deliver(mail(4), user=user)
    assert desk.read() == 1
    assert (desk.left(), desk.left("Taken")) == (2, 3)
    desk.mailbox.close()


def test_a_kill_between_taking_and_moving_is_made_good(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, move_to="Taken")
    server.deliver(mail(1), user=user)
    desk.mailbox.open()
    desk.mailbox.move = lambda uids: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        desk.read()
    desk.mailbox.close()
    del desk.mailbox.move
    assert desk.read() == 0
    assert (desk.left(), desk.left("Taken"), desk.spool.count()) == (0, 1, 1)
    desk.mailbox.close()


def test_idle_tells_of_new_mail_at_once(desk: Desk) -> None:
    desk.read()
    assert desk.mailbox.can_idle
    later = threading.Timer(0.5, desk.server.deliver, [mail(1)], {"user": desk.user})
    later.start()
    assert desk.mailbox.wait(120, lambda: False), "the server told of it; the end of the waiting says nothing"
    later.join()
    assert desk.read() == 1


def test_a_mail_over_the_cap_is_kept_cut_off_and_says_so(server: dovecot.Dovecot, tmp_path: Path, user: str) -> None:
    desk = Desk(server, tmp_path, user, max_bytes=1000)
    server.deliver(mail(1, "y" * 5000), user=user)
    assert desk.read() == 1
    (item,) = desk.spool.read(desk.spool.waiting())
    assert len(item.content) == 1000 and item.envelope["size"] == len(mail(1, "y" * 5000))
    desk.mailbox.close()


def test_a_wrong_password_and_a_missing_mailbox_are_named(
    server: dovecot.Dovecot, tmp_path: Path, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = imap.Mailbox("mail", server.settings(user=user), "No/Such")
    with pytest.raises(imap_login.MailboxFailed, match="No/Such"):
        missing.open()
    monkeypatch.setenv("TIPSTAFF_SECRET_IMAP", "wrong")
    with pytest.raises(imap_login.MailboxFailed, match=r"refuses the login.*check user and password"):
        Desk(server, tmp_path, user).read()
    monkeypatch.delenv("TIPSTAFF_SECRET_IMAP")
    with pytest.raises(InputError, match="TIPSTAFF_SECRET_IMAP is not set"):
        Desk(server, tmp_path, user).read()


def test_oauth2_with_a_token_and_with_a_refresh_token(
    server: dovecot.Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIPSTAFF_SECRET_TOKEN", dovecot.TOKEN)
    monkeypatch.setenv("TIPSTAFF_SECRET_REFRESH", "a-refresh-token")
    ways = (
        {"token": "TIPSTAFF_SECRET_TOKEN"},
        {
            "token_url": f"{server.issuer}/token",
            "client_id": "desk",
            "refresh_token": "TIPSTAFF_SECRET_REFRESH",
            "allow_private": True,
        },
    )
    for oauth in ways:
        mailbox = imap.Mailbox("mail", server.settings(oauth2=oauth))
        mailbox.open()
        assert mailbox.validity
        mailbox.close()
    monkeypatch.setenv("TIPSTAFF_SECRET_REFRESH", "expired")
    with pytest.raises(InputError, match=r"without a token.*renew the refresh token"):
        imap.Mailbox("mail", server.settings(oauth2=ways[1])).open()
    monkeypatch.setenv("TIPSTAFF_SECRET_TOKEN", "stolen")
    with pytest.raises(imap_login.MailboxFailed, match="refuses the login"):
        imap.Mailbox("mail", server.settings(oauth2=ways[0])).open()


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(imap_login.MailboxFailed, match=r"127\.0\.0\.1:1 of mail cannot be reached"):
        imap.Mailbox("mail", {"host": "127.0.0.1", "port": 1, "tls": "none", "user": "x"}).open()
