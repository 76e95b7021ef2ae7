"""Scheduled pulls against a real HTTP server on the loopback, and the guard against requests into our own network."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.intake.samples import OWN
from tipstaff.intake.message import Hints
from tipstaff.intake.models import Source
from tipstaff.intake.read import read_submission
from tipstaff.intake.sources import guarded, pulls, services
from tipstaff.intake.spool import Spool
from tipstaff.kernel.errors import InputError, Refused

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass
class Site:
    """What the server will say, and what it was asked."""

    address: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ip,timestamp\n192.0.2.7,2026-11-02T10:00:00Z\n"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            matched = state.headers.get("ETag") and self.headers.get("If-None-Match") == state.headers["ETag"]
            self.send_response(304 if matched else state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in state.headers:
                self.send_header("Content-Length", str(0 if matched else len(state.body)))
            self.end_headers()
            if not matched:
                self.wfile.write(state.body)

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}/feeds/today.csv"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_query_of_a_metric_is_a_submission_where_something_exceeds_and_nothing_where_not(site, spool, db) -> None:
    """Prometheus' own form of an answer: every row is over the threshold that the query states."""
    folder = OWN / "parsers" / "prometheus"
    site.address = site.address.replace("/feeds/today.csv", "/api/v1/query?query=waf_requests%20%3E%201000")
    source = Source.objects.create(name="load", kind="pull", settings=source_settings(site), created_at=NOW)
    site.body = (folder / "quiet.json").read_bytes()
    assert pulls.pull_due(spool, now=NOW) == ("load", 0) and spool.count() == 0
    site.body = (folder / "over.json").read_bytes()
    assert pulls.pull_due(spool, now=NOW + timedelta(hours=2)) == ("load", 1)
    (item,) = spool.read(spool.waiting())
    (draft,) = read_submission(item.content, Hints(source="load", source_kind="pull", filename=item.filename))
    assert (draft.category, draft.events[0].ip) == ("shared_load", "192.0.2.7")
    assert draft.events[0].details["finding"]["limit"]["value"] == 1000
    source.refresh_from_db()
    assert source.last_error == "" and "query=waf_requests" in site.asked[0][0]


def source_settings(site: Site, **more: Any) -> dict[str, Any]:
    return {"url": site.address, "allow_http": True, "allow_private": True, "every": 3600} | more


def source(site: Site, **more: Any) -> Source:
    return Source.objects.create(name="feed", kind="pull", settings=source_settings(site, **more), created_at=NOW)


def fresh(found: Source) -> Source:
    return Source.objects.get(pk=found.pk)


@pytest.mark.django_db
def test_a_pull_brings_a_submission_and_remembers_where_it_stands(site: Site, spool: Spool) -> None:
    site.headers = {"ETag": '"one"'}
    made = source(site)
    assert pulls.pull_due(spool, now=NOW) == ("feed", 1)
    (item,) = spool.read(spool.waiting())
    assert (item.content, item.filename, item.source, item.kind) == (site.body, "today.csv", "feed", "pull")
    found = fresh(made)
    assert (found.due_at, found.last_ok_at, found.last_error) == (NOW + timedelta(hours=1), NOW, "")
    assert pulls.pull_due(spool, now=NOW) is None
    assert pulls.pull_due(spool, now=NOW + timedelta(hours=1)) == ("feed", 0)
    assert site.asked[1][1]["if-none-match"] == '"one"'
    assert spool.count() == 1


@pytest.mark.django_db
def test_the_same_bytes_without_an_etag_are_not_taken_again_but_a_new_delivery_is(site: Site, spool: Spool) -> None:
    source(site)
    for hour, (body, expected) in enumerate([(b"a", 1), (b"a", 0), (b"b", 1), (b"a", 1)]):
        site.body = body
        assert pulls.pull_due(spool, now=NOW + timedelta(hours=hour)) == ("feed", expected)
    assert spool.count() == 3


@pytest.mark.django_db
def test_killed_before_the_cursor_was_kept_the_delivery_is_the_same_submission(site: Site, spool: Spool) -> None:
    made = source(site)
    fetched = pulls.fetch(name="feed", settings=made.settings, cursor={}, now=NOW)
    spool.put([pulls.accept(fetched, name="feed", now=NOW)])
    assert pulls.pull_due(spool, now=NOW + timedelta(minutes=1)) == ("feed", 1)
    assert spool.count() == 1


@pytest.mark.django_db
def test_what_came_since_is_asked_with_an_overlap(site: Site, spool: Spool) -> None:
    source(site, since_parameter="since")
    pulls.pull_due(spool, now=NOW)
    site.body = b"new"
    pulls.pull_due(spool, now=NOW + timedelta(hours=1))
    assert "since" not in parse_qs(urlsplit(site.asked[0][0]).query)
    assert parse_qs(urlsplit(site.asked[1][0]).query)["since"] == ["2026-11-02T11:50:00Z"]


@pytest.mark.django_db
def test_a_failure_is_told_and_tried_again_later_and_later(site: Site, spool: Spool) -> None:
    made, site.status, at = source(site), 503, NOW
    for pause in (30, 60, 120):
        assert pulls.pull_due(spool, now=at) == ("feed", 0)
        found = fresh(made)
        assert found.due_at == at + timedelta(seconds=pause)
        assert "answered 503" in found.last_error and "tipstaff source test" in found.last_error
        at = found.due_at
    site.status = 200
    assert pulls.pull_due(spool, now=at) == ("feed", 1)
    assert fresh(made).last_error == "" and fresh(made).cursor["failures"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"every": "hourly"}, {"headers": 7}, {"timeout": "long"}, {"url": 7}])
def test_a_source_that_cannot_be_used_says_so_and_holds_up_no_other(wrong: dict[str, Any], site: Site, spool: Spool) -> None:
    broken = source(site, **wrong)
    sound = Source.objects.create(name="sound", kind="pull", settings=source_settings(site), created_at=NOW)
    assert [pulls.pull_due(spool, now=NOW) for _ in range(3)] == [("feed", 0), ("sound", 1), None]
    assert "cannot be used" in fresh(broken).last_error and "tipstaff source test" in fresh(broken).last_error
    assert fresh(broken).due_at == NOW + timedelta(seconds=30)
    assert fresh(sound).last_error == ""


@pytest.mark.django_db
def test_a_source_without_an_address_is_asked_nothing(spool: Spool) -> None:
    made = Source.objects.create(name="by hand", kind="pull", settings={}, created_at=NOW)
    assert pulls.pull_due(spool, now=NOW) is None
    assert fresh(made).last_error == ""


@pytest.mark.django_db
def test_a_server_may_ask_for_patience(site: Site, spool: Spool) -> None:
    made, site.status, site.headers = source(site), 429, {"Retry-After": "900"}
    pulls.pull_due(spool, now=NOW)
    assert fresh(made).due_at == NOW + timedelta(seconds=900)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "headers", "told"),
    [
        ({"max_bytes": 10}, {}, "more than 10 bytes"),
        ({}, {"Content-Length": "99999"}, "Error"),
        ({"allow_private": False}, {}, "not a public"),
    ],
)
def test_what_is_too_large_cut_off_or_inside_is_not_taken(site: Site, spool: Spool, more: dict, headers: dict, told: str) -> None:
    made, site.headers = source(site, **more), headers
    pulls.pull_due(spool, now=NOW)
    assert told in fresh(made).last_error
    assert spool.count() == 0


@pytest.mark.django_db
def test_a_secret_comes_from_the_environment_and_goes_to_its_own_host_only(
    site: Site, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIPSTAFF_SECRET_FEED", "s3cret")
    made = source(site, secret_headers={"Authorization": "Bearer TIPSTAFF_SECRET_FEED"})
    pulls.pull_due(spool, now=NOW)
    assert site.asked[0][1]["authorization"] == "Bearer s3cret"
    other = site.address.replace("127.0.0.1", "localhost")
    site.status, site.headers = 302, {"Location": other}
    pulls.pull_due(spool, now=NOW + timedelta(hours=1))
    assert "authorization" not in site.asked[2][1]
    assert "redirects more than" in fresh(made).last_error


@pytest.mark.django_db
def test_an_unset_or_foreign_variable_is_named(site: Site, spool: Spool) -> None:
    made = source(site, secret_headers={"X-Key": "TIPSTAFF_SECRET_NOT_SET"})
    pulls.pull_due(spool, now=NOW)
    assert "TIPSTAFF_SECRET_NOT_SET is not set" in fresh(made).last_error
    Source.objects.filter(pk=made.pk).update(settings=made.settings | {"secret_headers": {"X-Key": "DATABASE_URL"}})
    pulls.pull_due(spool, now=NOW + timedelta(hours=1))
    assert "cannot name a credential" in fresh(made).last_error
    assert site.asked == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_pull_the_same_turn(site: Site, spool: Spool, app: psycopg.Connection) -> None:
    made = source(site)
    app.execute("BEGIN")
    app.execute("SELECT 1 FROM intake_source WHERE id = %s FOR UPDATE", [made.pk])
    assert services.claim_due(kind="pull", setting="url", now=NOW) is None
    app.rollback()
    first = services.claim_due(kind="pull", setting="url", now=NOW)
    assert first is not None
    assert services.claim_due(kind="pull", setting="url", now=NOW + timedelta(minutes=14)) is None
    second = services.claim_due(kind="pull", setting="url", now=NOW + timedelta(minutes=16))  # the first was killed
    assert second is not None
    assert not services.pulled(source=first, cursor={"digest": "old"}, due_at=NOW, now=NOW)
    assert services.pulled(source=second, cursor={}, due_at=NOW + timedelta(hours=1), now=NOW)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1",
        "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "255.255.255.255", "192.0.2.1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not guarded.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    assert guarded.is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_no_way_of_writing_leads_inside(host: str, site: Site) -> None:
    port = urlsplit(site.address).port
    with guarded.client() as client, pytest.raises(Refused, match="not a public address"):
        client.get(f"http://{host}:{port}/")
    assert site.asked == []


def test_plain_http_is_refused_unless_allowed() -> None:
    with pytest.raises(InputError, match="not https"):
        pulls.fetch(name="feed", settings={"url": "http://feed.example.org/x"}, cursor={}, now=NOW)


@pytest.mark.django_db
def test_what_a_server_said_moves_no_cursor_of_a_terminal() -> None:
    source = Source.objects.create(name="list", kind="pull", settings={}, created_at=NOW)
    services.failed(source=source.pk, error="500 \x1b]0;mine\x07 sorry\r\nnone of yours", now=NOW)
    source.refresh_from_db()
    assert source.last_error == "500 ]0;mine sorry none of yours"
