"""Looking whether a fix holds: judged purely, looked at for real, and never outside our own space."""

import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from tests.cases.resolving import Desk
from tests.enforcement.testbed.front import FrontBed
from tests.enforcement.testbed.programs import found
from tipstaff.accounts.models import OwnPrefix
from tipstaff.cases import resolution, retests, statements
from tipstaff.cases.models import Retest
from tipstaff.enforcement.retests import feed_quiet, flow_quiet, open_relay, open_service, reporter_recheck, running, url_status
from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR, Space, host_port
from tipstaff.enforcement.retests.flow_quiet import Flows
from tipstaff.kernel.errors import Refused
from tipstaff.project.commands.running import free_port

HERE = Space((ip_network("127.0.0.0/8"), ip_network("::1/128")), never=(ip_network("127.9.9.9/32"),))
ELSEWHERE = Space((ip_network("192.0.2.0/24"),))


# ---- only our own space


@pytest.mark.parametrize("look", [
    lambda space: open_service.look("127.0.0.1:123/scan_ntp", space),
    lambda space: open_relay.look("127.0.0.1:25", space),
    lambda space: url_status.look("http://127.0.0.1/x", space, address="127.0.0.1"),
])  # fmt: skip
def test_nobody_elses_machine_is_tested(look):
    with pytest.raises(Refused, match="not ours"):
        look(ELSEWHERE)


def test_what_is_never_touched_is_not_tested_either():
    with pytest.raises(Refused, match="never-touch"):
        open_service.look("127.9.9.9:53/x", HERE)


def test_a_name_that_left_our_space_is_settled_without_a_request():
    assert url_status.look("http://localhost:1/x", ELSEWHERE).outcome == OK


@pytest.mark.parametrize("bad", ["", "192.0.2.7", "192.0.2.7:0", "192.0.2.7:99999", "192.0.2.7:x", "[::1]:y"])
def test_a_target_without_a_port_is_refused(bad):
    with pytest.raises(Refused, match="port"):
        host_port(bad)


# ---- open services, against real sockets


@contextmanager
def udp(answer):
    """A UDP service on a free loopback port; ``answer`` makes bytes of a question, None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.settimeout(0.1)
        stop = threading.Event()

        def serve():
            while not stop.is_set():
                try:
                    question, who = channel.recvfrom(4096)
                except TimeoutError:
                    continue
                if (said := answer(question)) is not None:
                    channel.sendto(said, who)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield channel.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def ask(name, port):
    """The question of one service, put to another port."""
    question, mark = next((question, mark) for service, question, mark in open_service.UDP.values() if service == name)
    known = dict(open_service.UDP)
    open_service.UDP[port] = (name, question, mark)
    try:
        return open_service.look(f"127.0.0.1:{port}/", HERE)
    finally:
        open_service.UDP.clear()
        open_service.UDP.update(known)


def test_an_open_resolver_is_still_there_and_one_that_refuses_is_in_order():
    opened = bytes.fromhex("1b398180") + bytes(8)
    refusing = bytes.fromhex("1b398105") + bytes(8)
    with udp(lambda question: opened) as port:
        seen = ask("dns", port)
        assert (seen.outcome, b"example" in seen.evidence) == (STILL, True)
    with udp(lambda question: refusing) as port:
        assert ask("dns", port).outcome == OK


def test_an_answer_in_another_protocol_settles_nothing():
    with udp(lambda question: b"what?") as port:
        assert ask("memcached", port).outcome == UNCLEAR


def test_silence_and_a_closed_port_are_in_order(monkeypatch):
    monkeypatch.setattr(open_service, "PATIENCE", 0.3)
    with udp(lambda question: None) as port:
        seen = ask("ntp", port)
        assert seen.outcome == OK and "3 questions" in seen.text
    assert ask("ntp", free_port()).outcome == OK


def test_ntp_that_answers_strangers_is_measured():
    with udp(lambda question: bytes(480)) as port:
        seen = ask("ntp", port)
        assert seen.outcome == STILL and seen.detail["factor"] == 10.0


def test_a_tcp_port_that_takes_connections_is_still_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True).start()
        seen = open_service.look(f"127.0.0.1:{port}/tcp", HERE)
        assert seen.outcome == STILL and seen.evidence == b"SSH-2.0-x\r\n"
    assert open_service.look(f"127.0.0.1:{port}/tcp", HERE).outcome == OK


@given(st.binary(max_size=600))
def test_whatever_is_answered_is_judged(answer):
    for name, question, mark in open_service.UDP.values():
        assert open_service.judge_answer(name, question, answer, mark).outcome in {OK, STILL, UNCLEAR}


# ---- relays, against a real mail server


class Relay:
    """Takes mail for anybody, or for its own domain alone."""

    def __init__(self, anybody, code="550 relaying denied"):
        self.anybody, self.code, self.mails = anybody, code, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not self.anybody:
            return self.code
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails += 1
        return "250 OK"


@contextmanager
def mail_server(handler):
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.mark.parametrize(("handler", "outcome"), [
    (Relay(True), STILL), (Relay(False), OK), (Relay(False, "451 greylisted"), UNCLEAR),
])  # fmt: skip
def test_a_relay_is_asked_up_to_the_recipient_and_no_mail_is_sent(handler, outcome):
    with mail_server(handler) as port:
        seen = open_relay.look(f"127.0.0.1:{port}", HERE)
    assert seen.outcome == outcome and handler.mails == 0
    assert b"RCPT TO:<retest@example.org>" in seen.evidence and b"DATA" not in seen.evidence


def test_no_mail_server_is_no_relay():
    assert open_relay.look(f"127.0.0.1:{free_port()}", HERE).outcome == OK


def test_a_server_that_says_something_else_settles_nothing():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"+OK pop\r\n"), daemon=True).start()
        assert open_relay.look(f"127.0.0.1:{server.getsockname()[1]}", HERE).outcome == UNCLEAR


# ---- pages, against a real nginx


@pytest.mark.skipif(found("nginx") is None, reason="nginx is not installed")
def test_a_page_is_looked_at_where_it_was_and_no_redirect_is_followed(tmp_path):
    bed = FrontBed(tmp_path)
    bed.let_others_block(gone="carol.example/gone")
    bed.start()
    try:
        there = url_status.look(f"http://carol.example:{bed.port}/kit", HERE, address="127.0.0.1")
        assert there.outcome == STILL and there.detail["status"] == 200 and there.evidence == b"hello"
        same = url_status.look(f"http://carol.example:{bed.port}/kit", HERE, address="127.0.0.1", known_hash=there.detail["sha256"])
        assert same.outcome == STILL and "very same" in same.text
        other = url_status.look(f"http://carol.example:{bed.port}/kit", HERE, address="127.0.0.1", known_hash="0" * 64)
        assert other.outcome == UNCLEAR
        gone = url_status.look(f"http://carol.example:{bed.port}/gone", HERE, address="127.0.0.1")
        assert (gone.outcome, gone.detail["status"]) == (OK, 410)
    finally:
        bed.kill()
    assert url_status.look(f"http://carol.example:{bed.port}/kit", HERE, address="127.0.0.1").outcome == OK


@pytest.mark.parametrize(("status", "outcome"), [(404, OK), (410, OK), (451, OK), (301, UNCLEAR), (403, UNCLEAR), (500, UNCLEAR),
                                                 (200, STILL)])  # fmt: skip
def test_what_a_status_means(status, outcome):
    assert url_status.judge(status, "", b"x", "").outcome == outcome


def test_what_is_no_web_address_is_refused():
    with pytest.raises(Refused, match="web address"):
        url_status.look("ftp://carol.example/x", HERE)


# ---- the quiet ones


def test_a_feed_is_quiet_only_after_fresh_deliveries_without_the_finding():
    assert feed_quiet.judge(0, {"a": 2, "b": 3}).outcome == OK
    assert feed_quiet.judge(0, {"a": 2, "b": 1}).outcome == UNCLEAR
    assert feed_quiet.judge(0, {}).outcome == UNCLEAR
    assert feed_quiet.judge(1, {"a": 9}).outcome == STILL


def test_without_a_flow_archive_nobody_can_tell():
    assert flow_quiet.judge(None).outcome == UNCLEAR
    watched = timedelta(hours=6)
    assert flow_quiet.judge(Flows(watched, 1.0, ())).outcome == OK
    assert flow_quiet.judge(Flows(watched, 0.5, ())).outcome == UNCLEAR
    assert flow_quiet.judge(Flows(timedelta(minutes=5), 1.0, ())).outcome == UNCLEAR
    assert flow_quiet.judge(Flows(watched, 0.5, ("192.0.2.7:53 → 198.51.100.9",))).outcome == STILL


def test_reporters_who_see_it_again_say_so_and_their_silence_proves_nothing():
    assert reporter_recheck.judge(3, 2, 4).outcome == STILL
    assert reporter_recheck.judge(0, 0, 4).outcome == UNCLEAR


# ---- running them for a case


@pytest.fixture
def claimed(db):
    desk = Desk(category="open_relay")
    desk.on(statements.claim_fix, by=desk.carol, text="closed")
    return desk


def test_a_retest_is_run_for_an_open_case_and_kept_as_evidence(claimed, state):
    OwnPrefix.objects.create(prefix="127.0.0.0/8")
    row = Retest.objects.get(case=claimed.number)
    with mail_server(Relay(False)) as port:
        Retest.objects.filter(pk=row.pk).update(kind="open_relay", target=f"127.0.0.1:{port}")
        assert running.run_waiting(now=claimed.now) == 1
        assert running.run_waiting(now=claimed.now) == 0
    row.refresh_from_db()
    assert row.outcome == OK and row.evidence.evidence_class == "document" and claimed.state == "FIX_CLAIMED"
    assert claimed.case.journal.filter(kind="retest", internal=False).count() == 1


def test_a_retest_outside_our_space_is_not_run_and_settles_nothing(claimed):
    row = Retest.objects.get(case=claimed.number)
    Retest.objects.filter(pk=row.pk).update(kind="open_relay", target="127.0.0.1:1")
    running.run_waiting(now=claimed.now)
    row.refresh_from_db()
    assert row.outcome == UNCLEAR and "not ours" in row.text


def test_nothing_is_tested_for_a_case_that_has_ended(claimed):
    claimed.on(resolution.accept_fix, reason="seen by hand")
    with pytest.raises(Refused, match="ended"):
        claimed.on(retests.want, kind="open_relay", target="192.0.2.7:25")
    running.run_waiting(now=claimed.now)
    assert "not run" in Retest.objects.get(case=claimed.number).text


def test_one_case_is_not_looked_at_over_and_over(claimed):
    for number in range(retests.AT_MOST - 1):
        claimed.on(retests.want, kind="open_service", target=f"192.0.2.7:{number + 1}")
    with pytest.raises(Refused, match="enough"):
        claimed.on(retests.want, kind="open_service", target="192.0.2.7:99")


def test_the_same_target_rests_between_two_looks(claimed):
    OwnPrefix.objects.create(prefix="127.0.0.0/8")
    Retest.objects.filter(case=claimed.number).delete()
    port = free_port()
    for _ in range(2):
        Retest.objects.create(case=claimed.case, kind="open_relay", target=f"127.0.0.1:{port}", wanted_at=claimed.now, by="alice")
    assert running.run_waiting(now=claimed.now) == 1
    assert running.run_waiting(now=claimed.now) == 0
    assert running.run_waiting(now=claimed.now + running.TARGET_PAUSE * 2) == 1


def test_the_quiet_ones_read_the_database(claimed):
    claimed.on(retests.want, kind="flow_quiet", target="192.0.2.7")
    Retest.objects.filter(case=claimed.number, kind="open_relay").update(kind="reporter_recheck")
    running.run_waiting(now=claimed.now)
    assert set(Retest.objects.filter(case=claimed.number).values_list("outcome", flat=True)) == {UNCLEAR}
