"""In shadow mode nothing leaves, though sending is switched on, connectors are live and orders approved. Against real listeners."""

import re
import socket
import threading
from datetime import timedelta

import pytest

from tests.cases.resolving import Desk
from tests.correspondence.given import NOW, promised
from tests.enforcement import given
from tests.house.source import ROOT, package
from tests.pipeline.given import submission
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import on_call
from tipstaff.cases import retests as wanted
from tipstaff.cases.models import Alert, Retest
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.smarthost import Connection, Smarthost, Unusable
from tipstaff.correspondence.worker import Delivery
from tipstaff.enforcement import endpoints, worker
from tipstaff.enforcement.retests import running
from tipstaff.faces.portal import signing_in
from tipstaff.kernel import clock, shadow
from tipstaff.kernel.errors import Refused
from tipstaff.pipeline import alerting, asking
from tipstaff.project import checkup, environment

pytestmark = pytest.mark.django_db
PACKAGE = ROOT / "tipstaff"


@pytest.fixture(autouse=True)
def on(settings):
    settings.SHADOW, settings.SENDING, settings.MAIL_FROM = True, True, "abuse@example.net"


@pytest.fixture
def listener():
    """A port on loopback that counts who knocks."""
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    yield server
    server.close()


def knocked(server) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_no_mail_leaves_and_what_waits_is_withdrawn_for_good(listener, settings, tmp_path):
    row = promised()
    host = Smarthost("127.0.0.1", listener.getsockname()[1], tls="off")
    with pytest.raises(Unusable, match="shadow mode"):
        Connection(host)
    settings.LOCAL_OUTBOX, settings.STATE = True, tmp_path
    with clock.frozen(NOW):
        one = Delivery(host)
        one.step(threading.Event())
    row.refresh_from_db()
    assert row.state == "withdrawn" and row.error == shadow.WHY and "shadow mode" in one.line(NOW)
    settings.SHADOW = False  # switched off later: nothing of the shadow's time goes out after all
    with clock.frozen(NOW + timedelta(days=1)):
        assert Delivery(host).step(threading.Event()) == 0
    assert not knocked(listener) and not (tmp_path / "outbox").exists()


def test_an_approved_order_is_planned_and_never_carried_out(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    carol = given.inventory()[0]
    peer = given.journal(tmp_path)
    measure = given.measure(given.case(carol))
    given.work()
    order = given.only()
    assert order.state == "approved" and order.held and not list(tmp_path.iterdir())
    assert shadow.WHY in order.entries.get(kind="dry_run").text
    measure.refresh_from_db()
    assert measure.state != "in_force"
    connector = endpoints.build(peer)
    for act in ("apply", "verify", "lift", "actual", "remove", "snapshot"):
        with pytest.raises(Refused, match="shadow mode"):
            getattr(connector, act)(None)
    settings.SHADOW = False
    given.work()
    order.refresh_from_db()
    assert order.state == "approved" and not list(tmp_path.iterdir()), "what was held waits for a person"


def test_what_stood_before_is_left_standing_and_not_looked_at(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    settings.SHADOW = False
    carol = given.inventory()[0]
    given.journal(tmp_path)
    measure = given.measure(given.case(carol))
    given.work()
    assert given.only().state == "verified"
    stood = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    settings.SHADOW = True
    type(measure).objects.update(state="lifting")
    given.work()
    assert stood and {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == stood


def test_nobody_is_alerted_no_machine_is_looked_at_and_no_link_is_mailed(listener):
    desk = Desk(category="ddos_origin", ticket=False, told=False)
    people = [StaffMember.objects.get(username="alice").pk]
    team = on_call.set_team(name="night", members=people, by="bob", now=NOW)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    channel = on_call.set_channel(team=team.pk, kind="webhook", address=url, level=1, by="bob", now=NOW)
    Alert.objects.create(case=desk.case, channel=channel, level=1, text="unclaimed", created_at=NOW, not_before=NOW)
    alerting.deliver(now=NOW, secret=lambda name: "")
    assert Alert.objects.get().sent_at is None and Alert.objects.get().problem == shadow.WHY
    assert "shadow mode" in alerting.try_out(channel=channel, by="bob", now=NOW, secret=lambda name: "")
    wanted.want(case=desk.number, kind="url_status", target=url, by="alice", now=NOW)
    assert running.run_waiting(now=NOW) == 0 and Retest.objects.get().at is None
    before = OutboxMessage.objects.count()
    signing_in.send(desk.contact, "en", "sign in", "a link", NOW)
    assert OutboxMessage.objects.count() == before and not knocked(listener)


def test_no_reporter_is_asked():
    row = submission()
    with pytest.raises(Refused, match="nobody is asked: shadow mode"):
        asking.ask(submission=row.pk, text="at what time?", by="alice", now=NOW)


def test_the_doctor_and_the_status_line_say_so(monkeypatch):
    assert list(checkup.shadow_mode()) == []
    monkeypatch.setenv("TIPSTAFF_SHADOW", "on")
    assert environment.flag("shadow")
    (found,) = checkup.shadow_mode()
    assert "no mail, alert or retest leaves" in found.found
    from tipstaff.project.children import children

    assert next(child.note for child in children() if child.name == "mailer") == "shadow mode: nothing leaves"


#: Every module that can reach another machine, and what holds it in shadow mode; "reads": it only fetches what is asked for.
WAYS_OUT = {
    "accounts/importing/netbox_client.py": "reads",
    "accounts/single_sign_on.py": "reads",
    "correspondence/smarthost.py": "correspondence/smarthost.py",
    "enforcement/connectors/dns_api.py": "enforcement/endpoints.py",
    "enforcement/connectors/gobgp/speaker.py": "enforcement/endpoints.py",
    "enforcement/connectors/http_front.py": "enforcement/endpoints.py",
    "enforcement/connectors/webhook.py": "enforcement/endpoints.py",
    "enforcement/retests/bounded.py": "enforcement/retests/running.py",
    "enforcement/retests/open_relay.py": "enforcement/retests/running.py",
    "enforcement/retests/open_service.py": "enforcement/retests/running.py",
    "enforcement/retests/url_status.py": "enforcement/retests/running.py",
    "intake/sources/guarded.py": "reads",
    "intake/sources/imap.py": "reads",
    "intake/sources/pulls.py": "reads",
    "intake/sources/registries.py": "reads",
    "pipeline/alerting.py": "pipeline/alerting.py",
}


def test_there_is_no_way_out_that_nobody_thought_of():
    reaching = re.compile(
        r"^(import|from) (httpx|smtplib|imaplib|grpc|requests)\b|urllib\.request|create_connection\(|http\.client", re.M
    )
    outside = [path for path in package() if not {"project", "bench"} & set(path.relative_to(PACKAGE).parts)]
    found = {str(path.relative_to(PACKAGE)) for path in outside if reaching.search(path.read_text())}
    assert found <= set(WAYS_OUT), "hold it in shadow mode (kernel.shadow), and name it here"
    for guard in set(WAYS_OUT.values()) - {"reads"}:
        assert "shadow." in (PACKAGE / guard).read_text(), guard
