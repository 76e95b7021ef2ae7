"""The local outbox: letters become files on this machine, count as sent, and say where they went."""

import email
import os
import threading
from email import policy

import pytest

from tests.correspondence.given import NOW, promised
from tipstaff.correspondence.local import KEPT, NAME, LocalOutbox
from tipstaff.correspondence.smarthost import Outcome
from tipstaff.correspondence.worker import Delivery
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError
from tipstaff.project import environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def local(settings, tmp_path):
    settings.SENDING, settings.LOCAL_OUTBOX, settings.SMARTHOST, settings.STATE = False, True, None, tmp_path
    settings.MAIL_FROM = "abuse@example.net"
    return tmp_path / "outbox"


def delivered(one=None):
    with clock.frozen(NOW):
        return (one or Delivery()).step(threading.Event())


def test_a_letter_is_a_file_and_counts_as_sent(local):
    row, twin = promised(), promised()
    assert delivered() == 2
    for one in (row, twin):
        one.refresh_from_db()
    found = sorted(local.iterdir())
    assert len(found) == 2 and all(path.suffix == ".eml" for path in found), "each letter is a file of its own"
    said = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]
    assert {mail["Message-ID"] for mail in said} == {row.message_id, twin.message_id}
    assert said[0]["To"] == "Carol <carol@example.com>"
    assert (row.state, row.sent_at) == ("sent", NOW)
    assert (row.tries.get().server, row.tries.get().answer) == (NAME, KEPT)
    assert local.stat().st_mode & 0o077 == 0, "the links in them are nobody else's"


def test_no_name_of_a_recipient_leads_out_of_the_directory(local, tmp_path):
    LocalOutbox(local, lambda: NOW).send("a@example.net", "../../etc/x@example.com", b"x", lambda: None)
    assert [path.parent for path in tmp_path.rglob("*.eml")] == [local]


def test_no_link_is_followed_and_nobody_else_reads_a_letter(local, tmp_path):
    local.mkdir(mode=0o755)
    outside = tmp_path / "outside"
    outside.write_bytes(b"kept")
    name = f"{NOW:%Y%m%dT%H%M%S.%f}-a@example.com"
    (local / f".{name}.{os.getpid()}").symlink_to(outside)
    (local / f"{name}.eml").symlink_to(outside)
    box = LocalOutbox(local, lambda: NOW)
    assert box.send("a@example.net", "a@example.com", b"secret link", lambda: None).outcome is Outcome.LATER
    assert box.send("a@example.net", "a@example.com", b"secret link", lambda: None).outcome is Outcome.SENT
    assert outside.read_bytes() == b"kept"
    written = local / f"{name}-2.eml"
    assert written.read_bytes() == b"secret link" and written.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in local.iterdir()) == sorted([f"{name}.eml", f"{name}-2.eml"])


def test_where_it_cannot_be_written_the_letter_waits(local):
    local.write_text("a file in the place of the directory")
    row = promised()
    delivered()
    row.refresh_from_db()
    assert row.state == "waiting" and "local outbox cannot be written" in row.error


def test_the_mailer_says_that_nothing_leaves(local):
    with clock.frozen(NOW):
        one = Delivery()
    promised()
    delivered(one)
    assert one.line(NOW) == "1 sent to the local outbox, nothing leaves this machine, 0 refused"


@pytest.mark.parametrize(("said", "meant"), [("local", "local"), ("Local", "local"), ("on", "on"), ("off", "off"), ("", "off")])
def test_where_mail_goes_is_one_of_three(monkeypatch, said, meant):
    monkeypatch.setenv("TIPSTAFF_SENDING", said)
    assert environment.sending() == meant


def test_any_other_word_is_refused(monkeypatch):
    monkeypatch.setenv("TIPSTAFF_SENDING", "locally")
    with pytest.raises(InputError, match="on, off or local"):
        environment.sending()
