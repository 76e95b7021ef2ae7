"""What a mailbox's server does not hand out is shown wherever somebody looks after the ways in."""

import hashlib
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from django.db import connection

from tests.pipeline.given import NOW
from tipstaff.faces.cli.source import source as command
from tipstaff.intake import queries, services
from tipstaff.intake.models import Source
from tipstaff.intake.sources.imap_reading import Position
from tipstaff.intake.spool import Spool, accepted
from tipstaff.intake.worker import Intake, Reader
from tipstaff.project import database_checkup, ways_in

OWING = Position(7, 12, 1).owing(9, "fetch failed: [SERVERBUG]", NOW)


@pytest.fixture
def mailbox(db: None) -> Source:
    settings = {"host": "127.0.0.1", "port": 1, "tls": "none", "user": "desk", "password": "TIPSTAFF_SECRET_X"}
    return Source.objects.create(
        name="mail", kind="imap", settings=settings, cursor={"INBOX": OWING.as_json()}, last_ok_at=NOW, created_at=NOW
    )


def test_a_position_survives_being_kept_with_what_is_owed(mailbox: Source) -> None:
    mailbox.refresh_from_db()
    assert Position.of(mailbox.cursor["INBOX"]) == OWING
    assert Position.of({"validity": 3, "uid": 4, "first": 2, "newest": "2026-11-01T00:00:00+00:00"}) == Position(3, 4, 2)


def test_what_is_owed_is_a_warning_with_mailbox_number_reason_and_next_try(mailbox: Source) -> None:
    (health,) = queries.health(now=NOW, midnight=NOW)
    assert (health.tone, health.word) == ("warn", "mail not handed out")
    assert health.owed == (
        "INBOX: 1 mail not handed out by the server since 2026-06-15 12:00 UTC (UID 9: fetch failed: [SERVERBUG]), "
        "asked for again at 12:05 UTC"
    )
    assert queries.owed(Source(name="feed", kind="pull", cursor={"etag": "x", "since": {"owed": {}}})) == {}
    said = CliRunner().invoke(command, ["list"]).output
    assert "mail not handed out" in said and "UID 9" in said


def test_the_doctor_tells_of_it_and_of_sources_that_fail(mailbox: Source) -> None:
    Source.objects.create(name="feed", kind="pull", last_error="HTTP 500", last_error_at=NOW, created_at=NOW)
    findings = list(database_checkup.sources())
    assert [finding.level for finding in findings] == ["warn", "warn"]
    assert "feed: failing: HTTP 500" in findings[0].found and "tipstaff source test feed" in findings[0].advice
    assert "mail: INBOX: 1 mail not handed out" in findings[1].found and "mail program" in findings[1].advice
    Source.objects.all().delete()
    assert list(database_checkup.sources()) == []


def test_status_has_a_line_for_each_way_in_with_its_mailboxes_and_health(mailbox: Source) -> None:
    Source.objects.filter(pk=mailbox.pk).update(settings=mailbox.settings | {"mailboxes": ["INBOX", "Abuse/Junk"]})
    Source.objects.create(
        name="feed", kind="pull", settings={"url": "https://feed.example.org/list?key=hidden"}, last_error="HTTP 500",
        last_error_at=NOW, created_at=NOW,
    )  # fmt: skip
    Source.objects.create(name="smtp", kind="smtp", last_received_at=NOW, created_at=NOW)
    feed, mail, smtp = ways_in.lines()
    assert (mail["health"], mail["where"]) == ("mail not handed out", "INBOX, Abuse/Junk of desk at 127.0.0.1")
    assert "UID 9" in mail["trouble"] and "UID 9" in ways_in.told(mail)
    assert (feed["health"], feed["trouble"], feed["where"]) == ("failing", "HTTP 500", "https://feed.example.org/list")
    assert (smtp["health"], smtp["last_received_at"]) == ("fresh", NOW.isoformat())
    assert "last 2026-06-15 12:00 UTC" in ways_in.told(smtp) and "nothing yet" in ways_in.told(feed)


def test_status_says_why_it_knows_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://tipstaff_app@/tipstaff?host={tmp_path}")
    found, why = ways_in.ways_in()
    assert found == [] and why.startswith("the database does not answer")


def test_copies_under_older_numbers_are_counted_mailbox_by_mailbox(mailbox: Source) -> None:
    for ref, name, content in (
        ("INBOX/7/1", "INBOX", b"a"), ("INBOX/7/2", "INBOX", b"a"), ("INBOX/8.1/1", "INBOX", b"a"), ("Abuse/7/1", "Abuse", b"a"),
    ):  # fmt: skip
        item = accepted(source="mail", kind="imap", content=content, now=NOW, ref=ref, mailbox=name)
        assert services.accept(items=[item], now=NOW) == [item.id]
    digest = hashlib.sha256(b"a").digest()
    known = queries.known_contents(source=mailbox.pk, mailbox="INBOX", digests={digest}, numbering="INBOX/8.1/")
    assert known == {digest: 2}
    assert queries.submitted([item.id]) == {item.id}


@pytest.mark.django_db(transaction=True)
def test_a_mailbox_has_one_reader_at_a_time(tmp_path: Path) -> None:
    settings = {"host": "127.0.0.1", "port": 1, "tls": "none", "user": "desk", "password": "TIPSTAFF_SECRET_X"}
    source = Source.objects.create(name="mail", kind="imap", settings=settings, created_at=NOW)
    intake = Intake(Spool(tmp_path), threading.Event())
    reader = Reader(source, "INBOX", intake)
    reader._sleep = lambda seconds: None  # type: ignore[method-assign]
    assert queries.take_turn(reader.label)  # this connection is the other process

    def turn() -> None:
        reader._turn()
        connection.close()

    other = threading.Thread(target=turn)
    other.start()
    other.join(60)
    assert intake.board.lines == {reader.label: "read by another process"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
