"""The mail listener as senders see it: real sockets, real files."""

import errno
import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.intake.sources.listening import listener
from tipstaff.intake.sources.admission import Caps, Door, Recipients
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError

MAIL = b"From: Rita <rita@example.org>\r\nTo: abuse@example.net\r\nSubject: spam from 192.0.2.7\r\n\r\nPlease act.\r\n"
OWN = ("abuse@example.net", "noc@example.net")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_what_got_a_250_is_on_the_disk_with_its_envelope(spool: Spool) -> None:
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address, local_hostname="mx.example.org") as client:
        assert client.sendmail("rita@example.org", ["abuse@example.net"], MAIL) == {}
        (item,) = running.taken()
    assert item.content == MAIL
    assert (item.source, item.kind) == ("smtp", "smtp")
    assert item.envelope == {
        "mail_from": "rita@example.org", "rcpt_to": ["abuse@example.net"], "peer": "127.0.0.1", "helo": "mx.example.org", "tls": "",
    }  # fmt: skip


def test_the_same_mail_twice_is_two_submissions(spool: Spool) -> None:
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        for _ in range(2):
            client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert len({item.id for item in running.taken()}) == 2


def test_dots_are_unstuffed_and_eight_bit_bytes_kept(spool: Spool) -> None:
    body = b"Subject: x\r\n\r\n.hidden\r\n..\r\n\xff\xfe caf\xc3\xa9\r\n"
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        client.sendmail("", ["abuse@example.net"], body)
        (item,) = running.taken()
    assert item.content == body
    assert item.envelope["mail_from"] == ""


def test_a_very_long_line_is_taken(spool: Spool) -> None:
    body = b"Subject: x\r\n\r\n" + b"y" * 300_000 + b"\r\n"
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        client.sendmail("rita@example.org", ["abuse@example.net"], body)
        (item,) = running.taken()
    assert item.content == body


@pytest.mark.parametrize("body", [b"", b"\r\n", b"..\r\n", b"x", b"a\n.\nb\r\n", b"a\r.\rb\r\n.\rc\r\n", b"." * 70_000 + b"\r\n"])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_message_ends_where_it_ends_however_it_is_cut(spool: Spool, body: bytes, step: int) -> None:
    """In pieces of any size, with the next command sent ahead; bare CR and LF never end a message."""
    lines = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    sent = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines.split(b"\r\n")) + b".\r\nNOOP\r\n"
    if len(sent) > 10_000 and step < 100:
        step *= 1000
    with listener(spool, recipients=OWN) as running, socket.create_connection(running.address) as peer:
        replies = peer.makefile("rb")
        replies.readline()
        for line in (b"HELO x", b"MAIL FROM:<rita@example.org>", b"RCPT TO:<abuse@example.net>", b"DATA"):
            peer.sendall(line + b"\r\n")
            replies.readline()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), step):
            peer.sendall(sent[start : start + step])
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"250"]
        (item,) = running.taken()
    assert item.content == lines


def test_internationalised_addresses(spool: Spool) -> None:
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        client.ehlo()
        client.mail("ριτα@example.org", ["SMTPUTF8", "BODY=8BITMIME"])
        assert client.rcpt("abuse@example.net")[0] == 250
        assert client.data(MAIL)[0] == 250
        (item,) = running.taken()
    assert item.envelope["mail_from"] == "ριτα@example.org"
    assert item.envelope["smtputf8"] is True


def test_only_our_own_recipients(spool: Spool) -> None:
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        client.ehlo()
        client.mail("rita@example.org")
        assert client.rcpt("dave@example.com")[0] == 550
        assert client.rcpt("dave%example.com@example.net")[0] == 550
        assert client.rcpt("Abuse+4312.k3y@Example.NET")[0] == 250
        assert client.rcpt("postmaster")[0] == 250


@pytest.mark.parametrize(
    ("listed", "anyone", "address", "expected"),
    [
        (OWN, True, "dave@example.net", False),
        (["example.net"], False, "dave@example.net", True),
        (["@example.net"], False, "dave@sub.example.net", False),
        ([], True, "anybody@example.com", True),
        ([], False, "anybody@example.com", False),
        ([], False, "abuse@example.com", True),
        (OWN, False, '"abuse"@example.net', True),
        (OWN, False, "", False),
    ],
)
def test_recipients(listed: list[str], anyone: bool, address: str, expected: bool) -> None:
    assert Recipients.of(listed, anyone=anyone).covers(address) is expected


def test_a_message_over_the_limit_is_refused_for_good(spool: Spool) -> None:
    with listener(spool, recipients=OWN, max_bytes=10_000) as running, smtplib.SMTP(*running.address) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "10000"
        client.mail("rita@example.org")
        client.rcpt("abuse@example.net")
        assert client.data(b"Subject: x\r\n\r\n" + b"y\r\n" * 10_000)[0] == 552
        assert client.sendmail("rita@example.org", ["abuse@example.net"], MAIL) == {}
        assert len(running.taken()) == 1


def test_a_full_disk_is_a_temporary_refusal_and_nothing_half_written(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Spool, item: Accepted) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        with monkeypatch.context() as patched:
            patched.setattr(Spool, "_write", full)
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert refused.value.smtp_code == 452
        assert list(spool.directory.iterdir()) == []
        assert "No space left" in running.reception.tally.last_error
        client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert len(running.taken()) == 1


def test_one_message_that_cannot_be_written_costs_no_other(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write, codes = Spool._write, []

    def fussy(self: Spool, item: Accepted) -> Path:
        if b"huge" in item.content:
            raise OSError(errno.EFBIG, "File too large")
        return write(self, item)

    monkeypatch.setattr(Spool, "_write", fussy)
    with listener(spool, recipients=OWN) as running:

        def send(number: int) -> None:
            with smtplib.SMTP(*running.address) as client:
                client.ehlo()
                client.mail("rita@example.org")
                client.rcpt("abuse@example.net")
                codes.append((number % 3 == 0, client.data(b"Subject: %s\r\n\r\n" % (b"huge" if number % 3 == 0 else b"x"))[0]))

        threads = [threading.Thread(target=send, args=[number]) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(codes) == [(False, 250)] * 8 + [(True, 452)] * 4
        assert len(running.taken()) == 8


def test_a_connection_that_ends_within_the_message_leaves_nothing(spool: Spool) -> None:
    with listener(spool, recipients=OWN) as running:
        with socket.create_connection(running.address) as peer:
            peer.recv(200)
            for line in (b"EHLO x", b"MAIL FROM:<rita@example.org>", b"RCPT TO:<abuse@example.net>", b"DATA"):
                peer.sendall(line + b"\r\n")
                peer.recv(500)
            peer.sendall(b"Subject: half\r\n\r\nhal")
        with smtplib.SMTP(*running.address) as client:
            client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert [item.content for item in running.taken()] == [MAIL]


def test_connections_beyond_the_cap_are_turned_away_and_come_back(spool: Spool) -> None:
    with listener(spool, recipients=OWN, caps=Caps(connections_per_peer=2)) as running:
        first, second = smtplib.SMTP(*running.address), smtplib.SMTP(*running.address)
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP(*running.address)
        assert refused.value.smtp_code == 421
        first.quit()
        second.quit()
        for _ in range(5):
            with smtplib.SMTP(*running.address) as client:
                assert client.noop()[0] == 250


def test_messages_beyond_the_rate_wait(spool: Spool) -> None:
    with listener(spool, recipients=OWN, caps=Caps(messages_per_minute=2)) as running, smtplib.SMTP(*running.address) as client:
        for _ in range(2):
            client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert refused.value.smtp_code == 451


def test_the_rate_refills() -> None:
    door = Door(Caps(messages_per_minute=60))
    assert all(door.message("192.0.2.1", 0.0) for _ in range(60))
    assert not door.message("192.0.2.1", 0.5)
    assert door.message("192.0.2.1", 2.0)
    assert door.message("192.0.2.2", 0.5)


def test_lmtp_answers_for_each_recipient(spool: Spool, tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    with listener(spool, lmtp=True, path=path) as running, smtplib.LMTP(str(path)) as client:
        client.ehlo()
        client.mail("rita@example.org")
        for name in ("abuse@example.net", "noc@example.net"):
            assert client.rcpt(name)[0] == 250
        client.docmd("DATA")
        client.send(MAIL + b".\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
        assert client.noop()[0] == 250
        (item,) = running.taken()
    assert item.kind == "lmtp"
    assert item.envelope["rcpt_to"] == ["abuse@example.net", "noc@example.net"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk.example.net")])
    day = now()
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(day - timedelta(days=1)).not_valid_after(day + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = tmp_path / "chain.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


def test_starttls(spool: Spool, certificate: tuple[Path, Path]) -> None:
    with (
        listener(spool, recipients=OWN, certificate=certificate[0], key=certificate[1]) as running,
        smtplib.SMTP(*running.address) as client,
    ):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert client.starttls(context=context)[0] == 220
        client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        (item,) = running.taken()
        client.quit()
        with smtplib.SMTP(*running.address) as again:  # the door counted one connection, not two
            assert again.noop()[0] == 250
    assert item.envelope["tls"].startswith("TLSv1.")


def test_a_wrong_certificate_is_named(spool: Spool, tmp_path: Path) -> None:
    wrong = tmp_path / "none.pem"
    with pytest.raises(InputError, match=r"none\.pem.*PEM"), listener(spool, certificate=wrong):
        pass


def test_a_taken_port_is_named(spool: Spool) -> None:
    told = r"TIPSTAFF_SMTP_LISTEN 127\.0\.0\.1:\d+.*another"
    with listener(spool) as running, pytest.raises(InputError, match=told), listener(spool, port=running.listening.port):
        pass


def test_the_bytes_are_synced_before_the_reply(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order on the disk: the content, its name, the directory; and only then the 250."""
    seen: list[str] = []
    real_data, real = os.fdatasync, os.fsync

    def noted(what: str, call: Callable[[int], None], descriptor: int) -> None:
        seen.append(what)
        call(descriptor)

    monkeypatch.setattr(os, "fdatasync", lambda fd: noted("content", real_data, fd))
    monkeypatch.setattr(os, "fsync", lambda fd: noted("directory", real, fd))
    with listener(spool, recipients=OWN) as running, smtplib.SMTP(*running.address) as client:
        client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert seen == ["content", "directory"]
