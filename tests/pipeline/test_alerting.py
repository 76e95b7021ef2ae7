"""An unclaimed critical case reaches whoever is on call: mail, webhook, Slack, Mattermost, Matrix; and it escalates."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cases.resolving import HOUR, Desk
from tests.pipeline.given import NOW
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import on_call, openings, services
from tipstaff.cases.models import Alert, Clock
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.pipeline import alerting

pytestmark = pytest.mark.django_db


class Server:
    """A real HTTP server that keeps what it was sent and answers as it is told."""

    def __init__(self):
        self.seen, self.status = [], 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.command, self.path, self.headers.get("Authorization"), json.loads(body)))
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", "http://192.0.2.1/")
                self.end_headers()

            do_POST = do_PUT = _take

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture(autouse=True)
def loopback_is_named(settings):
    settings.PRIVATE_ALERT_HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def desk():
    found = Desk(category="ddos_origin", ticket=False, told=False)
    people = {name: StaffMember.objects.get(username=name) for name in ("alice", "amy", "bob")}
    found.team = on_call.set_team(name="night", members=[one.pk for one in people.values()], by="bob", now=NOW)
    for level, name in ((1, "alice"), (2, "bob")):
        on_call.set_shift(team=found.team.pk, member=people[name].pk, level=level, from_at=NOW - HOUR, until_at=NOW + 90 * HOUR,
                         by="bob", now=NOW)  # fmt: skip
    found.people = people
    return found


def channel(desk, kind, **more):
    return on_call.set_channel(team=desk.team.pk, kind=kind, by="bob", now=NOW, **more)


def send(desk, **secrets):
    return alerting.deliver(now=desk.now, secret=lambda name: secrets.get(name, ""))


def test_every_kind_of_channel_gets_what_it_understands(desk, server):
    channel(desk, "webhook", address=f"{server.url}/hook", secret="TIPSTAFF_ALERT_TOKEN")
    channel(desk, "slack", secret="TIPSTAFF_ALERT_SLACK")
    channel(desk, "mattermost", address=f"{server.url}/mm")
    channel(desk, "matrix", address=f"{server.url}/!night:example.org", secret="TIPSTAFF_ALERT_MATRIX")
    channel(desk, "mail", address="oncall@example.net")
    desk.wait(timedelta(seconds=2))
    assert send(desk, TIPSTAFF_ALERT_TOKEN="t1", TIPSTAFF_ALERT_SLACK=f"{server.url}/slack/xyz", TIPSTAFF_ALERT_MATRIX="m1") == 5
    seen = {path: (method, token, body) for method, path, token, body in server.seen}
    assert seen["/hook"][1] == "Bearer t1" and seen["/hook"][2]["case"] == desk.number and seen["/hook"][2]["level"] == 1
    assert set(seen["/slack/xyz"][2]) == set(seen["/mm"][2]) == {"text"} and f"#{desk.number}" in seen["/mm"][2]["text"]
    matrix = next(path for path in seen if path.startswith("/_matrix/client/v3/rooms/%21night%3Aexample.org/send/m.room.message/"))
    assert seen[matrix][0] == "PUT" and seen[matrix][1] == "Bearer m1" and seen[matrix][2]["msgtype"] == "m.text"
    mail = OutboxMessage.objects.get(kind="alert")
    assert (mail.audience, mail.recipient) == ("staff", "oncall@example.net") and mail.reference == f"case:{desk.number}"
    assert Alert.objects.filter(sent_at=None).count() == 0 and send(desk) == 0
    assert "rita" not in json.dumps([body for *_, body in server.seen]).lower()  # nobody's identity leaves the desk


def test_it_escalates_until_somebody_takes_the_case(desk, server):
    channel(desk, "webhook", address=f"{server.url}/one")
    channel(desk, "webhook", address=f"{server.url}/two", level=2)
    desk.wait(timedelta(seconds=2))
    send(desk)
    desk.wait(16 * HOUR / 60)
    send(desk)
    assert [path for _, path, _, _ in server.seen] == ["/one", "/one", "/two"]
    assert Alert.objects.filter(level=2).first().members == ["alice", "bob"]
    services.take(case_ids=[desk.number], by=desk.people["alice"], now=desk.now)
    desk.wait(5 * HOUR)
    assert send(desk) == 0 and not Clock.objects.filter(kind="alert", fired_at=None, cancelled_at=None).exists()


def test_what_does_not_arrive_is_tried_again_and_says_why_without_the_secret(desk, server):
    server.status = 500
    channel(desk, "slack", secret="TIPSTAFF_ALERT_SLACK")
    desk.wait(timedelta(seconds=2))
    send(desk, TIPSTAFF_ALERT_SLACK=f"{server.url}/hidden-path")
    row = Alert.objects.get()
    assert row.attempts == 1 and "500" in row.problem and "hidden-path" not in row.problem and row.sent_at is None
    assert send(desk, TIPSTAFF_ALERT_SLACK=f"{server.url}/hidden-path") == 0  # not before its time
    server.status = 200
    desk.now += timedelta(seconds=15)
    send(desk, TIPSTAFF_ALERT_SLACK=f"{server.url}/hidden-path")
    assert Alert.objects.get().sent_at and len(server.seen) == 2


@pytest.mark.parametrize(("status", "words"), [(302, "redirect"), (401, "401")])
def test_a_redirect_is_not_followed_and_a_refusal_is_said(desk, server, status, words):
    server.status = status
    channel(desk, "mattermost", address=f"{server.url}/x")
    desk.wait(timedelta(seconds=2))
    send(desk)
    assert words in Alert.objects.get().problem


def test_a_server_that_is_away_and_a_variable_that_is_not_set(desk):
    channel(desk, "webhook", address="http://127.0.0.1:1/x")
    channel(desk, "slack", secret="TIPSTAFF_ALERT_NOT_SET")
    desk.wait(timedelta(seconds=2))
    assert send(desk) == 2
    problems = set(Alert.objects.values_list("problem", flat=True))
    assert any("cannot be reached" in one for one in problems) and any(
        "TIPSTAFF_ALERT_NOT_SET is not set" in one for one in problems
    )


def test_a_flood_of_cases_is_one_message_a_place(desk, server):
    channel(desk, "mattermost", address=f"{server.url}/x")
    case = desk.case
    for number in range(8):
        case.pk, case.group_key = None, f"00000000-0000-0000-0000-{number:012d}"
        case.save(force_insert=True)
        openings.alert_at_once(case, desk.now)
    desk.wait(timedelta(seconds=2))
    send(desk)
    assert len(server.seen) == 1 and server.seen[0][3]["text"].count("waits unclaimed") == 9
    assert Alert.objects.count() == 9


def test_with_nobody_on_call_the_case_says_so():
    found = Desk(category="ddos_origin", ticket=False, told=False).wait(timedelta(seconds=2))
    assert "nobody is on call" in found.case.journal.get(kind="alert").text


def test_a_case_that_is_not_critical_wakes_nobody(server):
    found = Desk(category="scan", ticket=False, told=False).wait(HOUR)
    assert not Alert.objects.exists() and found.state == "TRIAGE"


def test_channels_and_shifts_are_checked(desk):
    with pytest.raises(InputError) as wrong:
        channel(desk, "pigeon", address="x", secret="PATH")
    assert {problem.where for problem in wrong.value.problems} == {"kind", "address", "secret"} - {"address"}
    with pytest.raises(InputError, match="mail address"):
        channel(desk, "mail", address="nobody")
    with pytest.raises(InputError, match="not later"):
        on_call.set_shift(team=desk.team.pk, member=desk.people["alice"].pk, from_at=NOW, until_at=NOW, by="bob", now=NOW)
    with pytest.raises(InputError, match="does not belong"):
        bea = StaffMember.objects.get(username="bea")
        on_call.set_shift(team=desk.team.pk, member=bea.pk, from_at=NOW, until_at=NOW + HOUR, by="bob", now=NOW)
    with pytest.raises(Refused, match="lead"):
        on_call.set_team(name="mine", members=[], by="alice", now=NOW)


def tried(made, **found):
    return alerting.try_out(channel=made, by="bob", now=NOW, secret=lambda name: found.get(name, ""))


@pytest.mark.parametrize("named", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_no_alert_goes_into_our_own_network_however_it_is_written(desk, server, settings, named):
    settings.PRIVATE_ALERT_HOSTS = frozenset()
    made = channel(desk, "webhook", address=f"http://{named}:{server.http.server_port}/hook")
    assert "not a public address" in tried(made) or "cannot be reached" in tried(made)
    assert server.seen == []


def test_a_private_host_that_the_operator_names_is_alerted_and_the_setting_is_told(desk, server, settings):
    made = channel(desk, "mattermost", address=server.url)
    assert tried(made) == "" and len(server.seen) == 1
    settings.PRIVATE_ALERT_HOSTS = frozenset({"chat.example.net"})
    assert "TIPSTAFF_PRIVATE_ALERT_HOSTS opens it" in tried(made) and len(server.seen) == 1


def test_who_moves_a_channel_must_know_its_secret(desk):
    made = channel(desk, "webhook", address="https://alerts.example.net/hook", typed="a-secret-token")
    for moved in (
        {"kind": "webhook", "address": "https://elsewhere.example.org/hook"},
        {"kind": "webhook", "address": "http://alerts.example.net/hook"},
        {"kind": "webhook", "address": "https://alerts.example.net@elsewhere.example.org/hook"},
        {"kind": "slack", "address": "https://alerts.example.net/hook"},
    ):
        with pytest.raises(InputError, match="another address"):
            channel(desk, moved["kind"], address=moved["address"], channel=made.pk)
    same = channel(desk, "webhook", address="https://alerts.example.net/other", channel=made.pk, name="night room")
    assert bytes(same.sealed) == bytes(made.sealed)
    again = channel(desk, "webhook", address="https://elsewhere.example.org/", typed="another", channel=made.pk)
    assert on_call.secret_of(again, lambda name: "") == "another"
    assert not channel(desk, "webhook", address="https://third.example.org/", forget=True, channel=made.pk).sealed


@pytest.mark.parametrize("address", ["http://[::1/x", "http://x:99999/", "http:///x", "http://x:0/", "https://"])
def test_an_address_that_is_none_is_refused(desk, address):
    with pytest.raises(InputError, match="no URL"):
        channel(desk, "webhook", address=address)


def test_an_address_in_a_variable_that_breaks_the_request_keeps_no_other_waiting(desk, server):
    first = channel(desk, "slack", secret="TIPSTAFF_ALERT_BAD")
    second = channel(desk, "slack", address=server.url)
    for made in (first, second):
        Alert.objects.create(case=desk.case, channel=made, level=1, text="unclaimed", created_at=NOW, not_before=NOW)
    bad = "http://127.0.0.1:99999999999999999999/\ud800"
    assert alerting.deliver(now=NOW, secret=lambda name: bad) == 2
    assert (
        len(server.seen) == 1 and Alert.objects.get(channel=first).problem and bad not in Alert.objects.get(channel=first).problem
    )


def test_a_test_is_not_sent_twice_within_some_seconds(desk):
    made = channel(desk, "mail", address="oncall@example.net")
    on_call.begin_test(channel=made.pk, by="bob", now=NOW)
    for other in (NOW, NOW + timedelta(seconds=9), NOW - timedelta(seconds=9)):
        with pytest.raises(Refused, match="a moment ago"):
            on_call.begin_test(channel=made.pk, by="bob", now=other)
    on_call.begin_test(channel=made.pk, by="bob", now=NOW + timedelta(seconds=10))
    on_call.begin_test(channel=made.pk, by="bob", now=NOW - timedelta(days=1))
