"""On call: teams, shifts, channels; who may set them, what is never shown again, what the case page says of alerts."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.faces.desk.test_browser import check
from tests.pipeline.test_alerting import loopback_is_named, server  # noqa: F401 - fixtures
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import alerts, on_call
from tipstaff.cases.models import Alert, AlertChannel, Case, Shift, Team
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.desk import weeks
from tipstaff.kernel.clock import now as clock_now

pytestmark = pytest.mark.django_db
H = timedelta(hours=1)
SECRET = "xoxb-very-secret-token"


@pytest.fixture
def staff() -> dict[str, Client]:
    """Alice (analyst), Bob (lead), Amir (auditor), Bill (billing), Abe (admin)."""
    clients = {}
    for name, role in {"alice": "analyst", "bob": "lead", "amir": "auditor", "bill": "billing", "abe": "admin"}.items():
        clients[name] = Client()
        clients[name].force_login(StaffMember.objects.create(username=name, first_name=name.capitalize(), roles=[role]))
    return clients


def member(name: str) -> int:
    return StaffMember.objects.get(username=name).pk


@pytest.fixture
def team(staff) -> Team:
    """Alice now, Bob above her, Alice again after a gap."""
    now = clock_now()
    made = on_call.set_team(name="night", members=[member("alice"), member("bob")], by="bob", now=now)
    for who, level, start, end in (("alice", 1, -2, 20), ("bob", 2, -2, 100), ("alice", 1, 40, 60)):
        on_call.set_shift(
            team=made.pk, member=member(who), level=level, from_at=now + start * H, until_at=now + end * H, by="bob", now=now
        )
    return made


def post(client: Client, team: Team, action: str, **fields) -> int:
    return client.post(f"/settings/on-call/{team.pk}/{action}/", fields).status_code


def test_a_lead_makes_a_team_with_shifts_and_everybody_of_the_desk_reads_it(staff):
    assert "Nobody is on call." in staff["amir"].get("/settings/on-call/").content.decode()
    made = staff["bob"].post("/settings/on-call/", {"name": "night", "members": [member("alice")], "order": "1"})
    assert made.status_code == 302
    team = Team.objects.get()
    local = f"{clock_now() - H:%Y-%m-%dT%H:%M}", f"{clock_now() + 8 * H:%Y-%m-%dT%H:%M}"
    given = {"member": member("alice"), "level": "1", "from_at": local[0], "until_at": local[1], "weeks": "3"}
    assert post(staff["abe"], team, "shift", **given) == 302
    assert Shift.objects.count() == 3
    page = staff["amir"].get("/settings/on-call/").content.decode()
    assert "night" in page and "<b>Alice</b>" in page and "no channel" in page and "Make the team" not in page
    shown = staff["alice"].get(f"/settings/on-call/{team.pk}/").content.decode()
    assert "Alerts go nowhere." in shown and "New shift" not in shown and "Nobody at level 1" in shown
    acts = list(Entry.objects.filter(subject=f"team:{team.pk}").order_by("pk").values_list("actor", "action"))
    assert acts == [("bob", "on_call.team.set"), ("abe", "on_call.shift.set")]


@pytest.mark.parametrize("name", ["alice", "amir", "bill"])
def test_nobody_else_sets_anything(staff, team, name):
    before = (Shift.objects.count(), Entry.objects.filter(action__startswith="on_call").count())
    shift = Shift.objects.first().pk
    for action, fields in (
        ("shift", {"member": member("alice")}), ("end-shift", {"shift": shift}), ("end", {}), ("change", {"name": "mine"}),
        ("channel", {"kind": "mail", "address": "x@example.org"}), ("test", {"channel": 1}),
    ):  # fmt: skip
        assert post(staff[name], team, action, **fields) in {403, 409}, action
    assert staff[name].post("/settings/on-call/", {"name": "x", "members": [member("alice")]}).status_code in {403, 409}
    assert (Shift.objects.count(), Entry.objects.filter(action__startswith="on_call").count()) == before
    assert Team.objects.get().ended_at is None and not AlertChannel.objects.exists()


def test_who_does_not_read_the_desk_and_strangers_see_nothing(staff, team):
    assert staff["bill"].get("/settings/on-call/").status_code == 403
    assert Client().get(f"/settings/on-call/{team.pk}/").status_code == 302
    dave = Client()  # a customer's cookie opens nothing here
    dave.cookies["tipstaff_portal"] = "anything"
    assert dave.get("/settings/on-call/").status_code == 302


def test_a_secret_is_used_and_never_shown_or_written_down_again(staff, team, server, caplog):  # noqa: F811 - the fixture
    caplog.set_level("DEBUG")
    url = f"{server.url}/services/{SECRET}"
    assert post(staff["bob"], team, "channel", kind="slack", typed=url, level="1", name="night room") == 302
    row = AlertChannel.objects.get()
    assert SECRET.encode() not in bytes(row.sealed) and row.address == "" and on_call.secret_of(row, lambda _: "") == url
    caplog.clear()
    caplog.set_level("INFO", logger="tipstaff")
    assert post(staff["bob"], team, "test", channel=row.pk) == 302
    assert [path for _, path, _, _ in server.seen] == [f"/services/{SECRET}"] and "test" in str(server.seen[0][3])
    pages = [staff["bob"].get(address).content.decode() for address in ("/settings/on-call/", f"/settings/on-call/{team.pk}/")]
    assert (
        all(SECRET not in page for page in pages) and "kept, not shown" in pages[1] and "The test arrived." in pages[0] + pages[1]
    )
    server.status = 500
    AlertChannel.objects.update(tested_at=None)  # some time has passed
    assert post(staff["bob"], team, "test", channel=row.pk) == 302
    row.refresh_from_db()
    assert "500" in row.problem and row.tested_by == "bob" and SECRET not in row.problem
    written = " ".join(f"{one.reason} {one.detail}" for one in Entry.objects.all())
    assert SECRET not in written
    assert all(SECRET not in record.getMessage() for record in caplog.records if record.name.startswith("tipstaff"))
    # What is left empty stays; what is forgotten is gone, and an ended channel keeps nothing.
    post(staff["bob"], team, "channel", kind="slack", typed="", channel=row.pk, level="2", name="renamed")
    row.refresh_from_db()
    assert (row.level, row.name) == (2, "renamed") and on_call.secret_of(row, lambda _: "") == url
    assert post(staff["bob"], team, "end-channel", channel=row.pk) == 302
    row.refresh_from_db()
    assert row.ended_at and not row.enabled and bytes(row.sealed) == b""


def test_a_test_by_mail_waits_in_the_outbox_and_a_failure_says_why(staff, team):
    post(staff["bob"], team, "channel", kind="mail", address="oncall@example.net", level="1")
    row = AlertChannel.objects.get()
    assert post(staff["bob"], team, "test", channel=row.pk) == 302
    mail = OutboxMessage.objects.get()
    assert (mail.recipient, mail.audience, mail.reference) == ("oncall@example.net", "staff", f"team:{team.pk}")
    post(staff["bob"], team, "channel", kind="webhook", address="http://127.0.0.1:1/", level="1")
    dead = AlertChannel.objects.exclude(pk=row.pk).get()
    post(staff["bob"], team, "test", channel=dead.pk)
    dead.refresh_from_db()
    assert "cannot be reached" in dead.problem


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("channel", {"kind": "pigeon"}, "is not known"),
        ("channel", {"kind": "mail", "address": "nobody"}, "is no mail address"),
        ("channel", {"kind": "matrix", "address": "https://matrix.example.org/!a:example.org"}, "is missing"),
        ("channel", {"kind": "slack", "typed": "just-a-word"}, "is no URL"),
        ("channel", {"kind": "slack", "typed": "https://[::1/x"}, "is no URL"),
        ("channel", {"kind": "webhook", "address": "https://[::1/x"}, "is no URL"),
        ("channel", {"kind": "slack", "variable": "PATH"}, "TIPSTAFF_ALERT_"),
        ("channel", {"kind": "webhook", "address": "https://a.example/", "level": "10"}, "is no level"),
        ("shift", {"member": "x"}, "is no number"),
        ("shift", {"member": "1", "from_at": "soon", "until_at": "later"}, "is no time"),
        ("change", {"name": " ", "order": "0"}, "is missing"),
        ("change", {"name": "night", "members": "999999", "order": "0"}, "no active member"),
        ("change", {"name": "night", "categories": "witchcraft", "order": "0"}, "is not known"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(staff, team, action, fields, said):
    answer = staff["bob"].post(f"/settings/on-call/{team.pk}/{action}/", fields)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not AlertChannel.objects.exists() and Shift.objects.count() == 3


def test_things_of_another_team_are_not_reached_through_this_one(staff, team):
    now = clock_now()
    other = on_call.set_team(name="day", members=[member("bob")], by="bob", now=now)
    theirs = on_call.set_shift(team=other.pk, member=member("bob"), from_at=now, until_at=now + H, by="bob", now=now)
    room = on_call.set_channel(team=other.pk, kind="mail", address="day@example.net", by="bob", now=now)
    assert post(staff["bob"], team, "end-shift", shift=theirs.pk) == 404
    for action in ("end-channel", "test"):
        assert post(staff["bob"], team, action, channel=room.pk) == 404
    assert post(staff["bob"], team, "channel", kind="mail", address="x@example.net", channel=room.pk) == 404
    room.refresh_from_db()
    assert (room.address, room.enabled) == ("day@example.net", True)


def test_ending_keeps_what_was_told_and_asks_the_next_team(staff, team):
    now = clock_now()
    later = Shift.objects.get(from_at__gt=now)
    assert post(staff["bob"], team, "end-shift", shift=later.pk) == 302 and not Shift.objects.filter(pk=later.pk).exists()
    assert post(staff["bob"], team, "change", name="night", members=[member("bob")], order="0") == 302
    assert alerts.on_call(team, 9, clock_now())[0].member.username == "bob"  # who left the team is on call no more
    assert post(staff["bob"], team, "end") == 302
    team.refresh_from_db()
    assert team.ended_at and not Shift.objects.filter(until_at__gt=clock_now()).exists()
    assert staff["bob"].get(f"/settings/on-call/{team.pk}/").status_code == 404
    assert alerts.team_for(Case(brand="", category="c2")) is None


def test_the_case_page_says_who_was_alerted_and_lets_somebody_claim_it(desk, signed_in):
    now = clock_now()
    case = next(one for one in desk.cases if one.category == "ddos_origin" and one.closed_at is None)
    made = on_call.set_team(name="night", members=[desk.staff["alice"].pk], by="bob", now=now)
    on_call.set_shift(team=made.pk, member=desk.staff["alice"].pk, from_at=now - H, until_at=now + H, by="bob", now=now)
    on_call.set_channel(team=made.pk, kind="mail", address="oncall@example.net", name="night room", by="bob", now=now)
    alerts.escalate(case=case, text="its time runs out", now=now)
    Alert.objects.update(sent_at=now)
    page = signed_in("alice").get(f"/cases/{case.pk}/").content.decode()
    assert "Alerted" in page and "night room" in page and "level 1" in page and "Claim" in page
    assert signed_in("alice").post(f"/cases/{case.pk}/take/").status_code == 302
    case.refresh_from_db()
    assert case.owner == desk.staff["alice"]
    page = signed_in("alice").get(f"/cases/{case.pk}/").content.decode()
    assert "Alerted" in page and "Claim</button>" not in page


class Watch:
    def __init__(self, level: int, start: datetime, end: datetime) -> None:
        self.level, self.from_at, self.until_at = level, start, end


def test_the_week_is_drawn_from_midnight_with_its_gaps():
    midnight = datetime.fromisoformat("2026-06-15T00:00:00+02:00")
    now = midnight + 36 * H
    rows = [
        Watch(1, midnight - 24 * H, midnight + 84 * H), Watch(1, midnight + 80 * H, midnight + 100 * H),
        Watch(2, midnight + 168 * H, midnight + 170 * H), Watch(2, midnight + 24 * H, midnight + 900 * H),
    ]  # fmt: skip
    drawn = weeks.week(rows, midnight, now)
    assert [name for name, _ in drawn.days] == ["Mon 15", "Tue 16", "Wed 17", "Thu 18", "Fri 19", "Sat 20", "Sun 21"]
    assert [(lane.level, lane.first, len(lane.stretches)) for lane in drawn.lanes] == [(1, True, 1), (1, False, 1), (2, True, 1)]
    first, last = drawn.lanes[0].stretches[0], drawn.lanes[2].stretches[0]
    assert (first.start, first.width, first.runs) == (0.0, 50.0, True) and last.start + last.width == pytest.approx(100)
    assert drawn.now == pytest.approx(100 * 36 / 168, abs=0.01)
    assert drawn.uncovered == ((midnight + 100 * H, midnight + 168 * H),)
    assert weeks.week([], midnight, now).uncovered == ((now, midnight + 168 * H),)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_are_accessible_and_worked_without_script(opened, staff, team, width, dark):
    now = clock_now()
    for kind, more in (("slack", {"typed": "https://hooks.example.org/x"}), ("mail", {"address": "oncall@example.net"})):
        made = on_call.set_channel(team=team.pk, kind=kind, by="bob", now=now, **more)
    on_call.tested(channel=made.pk, problem="the other side answered 500", by="bob", now=now)
    page = opened("bob", width=width, dark=dark)
    for name, address in (("teams", "/settings/on-call/"), ("team", f"/settings/on-call/{team.pk}/")):
        assert check(page, address) == []
        if place := os.environ.get("TIPSTAFF_PICTURES"):
            page.screenshot(path=Path(place) / f"on-call-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
    for fold in page.locator("details.fold > summary").all():
        fold.click()
    assert check(page, f"/settings/on-call/{team.pk}/") == []
