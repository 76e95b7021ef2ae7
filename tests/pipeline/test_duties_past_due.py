"""What is owed to an authority and past due reaches the liaison's on-call: once on each level, until somebody settles it."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, Desk
from tests.pipeline.given import NOW
from tests.pipeline.test_alerting import Server
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import authority, on_call, sweeper
from tipstaff.cases.models import Alert, AuthorityDuty, Case, JournalEntry
from tipstaff.cases.on_call import HIGHEST
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.pipeline import alerting

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)


@pytest.fixture
def desk() -> Desk:
    """Lena is the authority liaison; she and Colin are on call for authorities, Alice for everything else."""
    found = Desk("default", "phishing")
    lena = StaffMember.objects.create(username="lena", roles=["liaison"])
    for order, (name, people) in enumerate((("night", ["alice"]), ("authorities", ["lena", "colin"]))):
        members = {row.username: row.pk for row in StaffMember.objects.filter(username__in=people)}
        team = on_call.set_team(name=name, members=members.values(), by="bob", now=NOW, order=order)
        on_call.set_channel(team=team.pk, kind="mail", address=f"{name}@example.net", by="bob", now=NOW)
        for level, one in enumerate(people, 1):
            on_call.set_shift(team=team.pk, member=members[one], level=level, from_at=NOW - HOUR, until_at=NOW + 300 * HOUR,
                              by="bob", now=NOW)  # fmt: skip
        found.team = team.pk
    found.duty = found.on(authority.ordered, authority="Court of Example", reference="7/26", by=lena.username)
    return found


def look(desk: Desk, at) -> int:
    """What the clocks' child does at a moment. Returns how many alerts there are of duties now."""
    sweeper.fire_due(now=at)
    return Alert.objects.exclude(duty=None).count()


def test_it_is_said_once_on_each_level_and_no_more_when_it_is_settled(desk):
    due = desk.duty.due_at
    assert look(desk, due - timedelta(seconds=1)) == 0, "not before its time"
    assert [look(desk, due + timedelta(seconds=n)) for n in (0, 1, 60)] == [1, 1, 1], "once"
    first = Alert.objects.get()
    assert (first.level, first.members, first.duty_id, first.case_id) == (1, ["lena"], desk.duty.pk, desk.number)
    assert first.channel.address == "authorities@example.net", "the liaison's, though the night's comes first"
    said = JournalEntry.objects.get(case=desk.number, kind="alert")
    assert said.detail["duty"] == desk.duty.pk and "order of an authority is past due" in said.text
    assert look(desk, due + QUARTER) == 2
    assert Alert.objects.latest("pk").members == ["lena", "colin"], "one level higher"
    authority.settle(duty=desk.duty.pk, outcome="followed", authority="", reference="", reason="", by="lena",
                     now=due + QUARTER + timedelta(minutes=1))  # fmt: skip
    assert look(desk, due + 9 * QUARTER) == 2


def test_a_day_of_downtime_says_it_once_and_the_levels_end(desk):
    late = desk.duty.due_at + timedelta(days=1)
    assert look(desk, late) == 1 and Alert.objects.get().created_at == late
    assert f"{desk.duty.due_at:%Y-%m-%d %H:%M} UTC" in Alert.objects.get().text, "with its true due time"
    for n in range(1, HIGHEST + 5):
        look(desk, late + n * QUARTER)
    assert list(Alert.objects.order_by("pk").values_list("level", flat=True)) == list(range(1, HIGHEST + 1))


def test_it_goes_by_mail_and_webhook_and_says_neither_whom_nor_what_it_is_about(desk, settings):
    settings.PRIVATE_ALERT_HOSTS = frozenset({"127.0.0.1"})
    server = Server()
    try:
        on_call.set_channel(team=desk.team, kind="webhook", address=f"{server.url}/hook", by="bob", now=NOW)
        look(desk, desk.duty.due_at)
        assert alerting.deliver(now=desk.duty.due_at, secret=lambda name: "") == 2
    finally:
        server.http.shutdown()
        server.http.server_close()
    mail, hook = OutboxMessage.objects.get(kind="alert"), server.seen[0][3]
    assert mail.recipient == "authorities@example.net" and "owed to an authority is past due" in mail.subject
    assert (hook["kind"], hook["case"], hook["level"]) == ("authority_duty_past_due", desk.number, 1)
    for text in (mail.body, mail.subject, hook["text"]):
        assert "phishing" not in text and desk.case.headline not in text and "Court of Example" not in text


def test_a_restricted_case_alerts_nobody_but_the_liaisons_on_call(desk):
    Case.objects.filter(pk=desk.number).update(state="RESTRICTED_CASE")
    assert look(desk, desk.duty.due_at) == 1
    on_call.end_team(team=desk.team, by="bob", now=desk.duty.due_at)
    assert look(desk, desk.duty.due_at + QUARTER) == 1, "the night team may not see it"
    assert "nobody is on call" in JournalEntry.objects.filter(case=desk.number, kind="alert").latest("pk").text
    Case.objects.filter(pk=desk.number).update(state="TICKETED")
    assert look(desk, desk.duty.due_at + 2 * QUARTER) == 2, "of an open case whoever serves it hears"


def test_two_duties_and_an_unclaimed_case_have_their_own_levels(desk):
    desk.on(authority.ordered, authority="Court of Example", reference="8/26", by="lena")
    last = AuthorityDuty.objects.latest("due_at").due_at
    look(desk, last)
    assert sorted(Alert.objects.values_list("duty__reference", "level")) == [("7/26", 1), ("8/26", 1)]
    assert sum(row.sent_at is None for row in Alert.objects.all()) == 1, "together they are one message"
