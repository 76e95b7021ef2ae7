"""A reporter whose reports were wrong too often: what counts, who is spared, and the letter that a lead has sent."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, NOW, colleagues, deliver, event, provider, report
from tipstaff.accounts import roles
from tipstaff.audit.models import Entry
from tipstaff.cases import services as cases
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.pipeline import warning
from tipstaff.reports.models import Report, Reporter

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
WHY = "invented attacks, five times"
DUTCH = "Er is een aanval geweest vanaf dit adres op onze server en dat is niet de eerste keer"


@pytest.fixture
def desk():
    provider()
    return colleagues()


def send(place, *, authenticated="example.org", by="rita@example.org", category="scan", kind="smtp", now=NOW, **more):
    """A report on an address of its own of Carol's; the case of that kind that it opened or joined."""
    draft = report(event(f"192.0.2.{place}", now - timedelta(hours=2)), category=category, by=by, **more)
    draft.reporter.authenticated_as = authenticated
    draft.subject = f"attack {place}"
    deliver(draft, kind=kind, now=now)
    return Case.objects.filter(category=category).latest("pk")


def false(case, by="alice", now=LATER):
    cases.close(case=case.pk, outcome="CLOSED_FALSE", reason="the log is not about this address", by=by, now=now)


def wrong(count, *, first=10, now=NOW, judged=LATER, closed_by="alice", **more):
    """So many reports of one case, which a person closes as false."""
    case = [send(place, now=now, **more) for place in range(first, first + count)][-1]
    false(case, closed_by, judged)


def right(count, first=60):
    """So many of a case that stands."""
    case = [send(place, category="phishing") for place in range(first, first + count)][-1]
    Case.objects.filter(pk=case.pk).update(state="TICKETED")


def seen(now=LATER):
    return [(len(one.wrong), one.judged) for one in warning.proposed(now)]


def rita():
    return Reporter.objects.get(key="rita@example.org")


def warn(by="bob", now=LATER, reason=WHY):
    return warning.warn(reporter=rita().pk, reason=reason, by=by, now=now)


def test_a_warning_is_proposed_from_the_number_on_and_from_the_share_on(desk, settings):
    wrong(4)
    assert seen() == []
    wrong(1, first=20, category="malware")
    assert seen() == [(5, 5)]
    right(5)
    assert seen() == [(5, 10)]
    right(1, first=70)
    assert seen() == []
    settings.REPORTER_WARNING = {"wrong": 5, "percent": 40, "days": 30}
    assert seen() == [(5, 11)]
    settings.REPORTER_WARNING = {"wrong": 0, "percent": 0, "days": 30}
    assert seen() == []


def test_what_nobody_judged_yet_and_what_is_long_ago_counts_for_nothing(desk):
    wrong(5)
    undecided = send(30, category="phishing")
    Case.objects.filter(pk=undecided.pk).update(state="TRIAGE")
    assert seen() == [(5, 5)]
    assert seen(NOW + timedelta(days=31)) == []


def test_a_report_that_came_after_the_closing_was_not_judged_with_it(desk):
    wrong(5)
    Report.objects.filter(pk=Report.objects.latest("pk").pk).update(received_at=LATER + timedelta(minutes=1))
    assert seen(LATER + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    "spoil",
    [{"authenticated": None}, {"automated": True}, {"by": "abuse@example.net"}, {"kind": "api", "authenticated": None}],
)
def test_nobody_answers_for_what_a_machine_sent_or_somebody_in_their_name(desk, spoil):
    wrong(5, **spoil)
    assert seen() == [] and not Report.objects.filter(answerable=True).exists()


def test_what_the_inventory_or_a_program_undid_was_not_the_reporters_fault(desk):
    wrong(5, closed_by="system:pipeline")
    assert Case.objects.get().state == "CLOSED_FALSE" and seen() == []


def test_a_mail_that_was_partly_right_was_not_wrong(desk):
    wrong(5)
    right(1)
    first, last = Report.objects.order_by("pk").first(), Report.objects.order_by("pk").last()
    Report.objects.filter(pk=last.pk).update(submission=first.submission, ordinal=1)
    assert seen() == [] and [(len(one.wrong), one.judged) for one in warning.judged([rita().pk], LATER)] == [(4, 5)]


def test_a_trusted_flagger_is_never_proposed(desk):
    wrong(5)
    Reporter.objects.update(trust=3)
    assert seen() == []
    with pytest.raises(Refused, match="too few"):
        warn()


def test_a_reading_that_was_withdrawn_counts_no_more(desk):
    wrong(5)
    Report.objects.filter(pk=Report.objects.latest("pk").pk).update(state="withdrawn")
    assert seen() == []


def test_what_was_false_and_sealed_counts_no_more_than_what_is_sealed(desk):
    wrong(5)
    state = Case.objects.get().journal.get(kind="state", detail__event="REPORT_FALSE")
    JournalEntry.objects.filter(pk=state.pk).update(detail=state.detail | {"before": "RESTRICTED_CASE"})
    assert seen() == []


def test_reports_of_sealed_kinds_are_never_held_against_anybody(desk):
    wrong(5)
    Report.objects.filter(pk=Report.objects.first().pk).update(category="csam")
    assert seen() == []


@pytest.mark.parametrize(
    ("reason", "decided_by", "trace", "counts"),
    [
        ("not a report", "alice", [{"step": "read"}], True),
        ("not ours", "alice", [{"step": "read"}], False),
        ("twice", "alice", [{"step": "read"}], False),
        ("not a report", "alice", [], False),  # set aside unread
        ("not a report", "", [{"step": "read"}], False),
        ("not a report", "system:worker", [{"step": "read"}], False),
    ],
)
def test_what_a_person_set_aside_as_no_report_counts(desk, reason, decided_by, trace, counts):
    wrong(4)
    draft = report(category=None, category_from=None, disposition=Disposition.NEEDS_A_PERSON, needs=["no address"])
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp")
    last = Report.objects.latest("pk").submission_id
    Submission.objects.filter(pk=last).update(state="set_aside", reason=reason, decided_by=decided_by, trace=trace)
    assert seen() == ([(5, 5)] if counts else [])


def test_the_story_of_a_warning(desk):
    """Five wrong reports, a proposal, a lead's word, one letter; silence until it goes on; then it says so again."""
    wrong(5)
    assert seen() == [(5, 5)]
    OutboxMessage.objects.all().delete()
    message = warn()
    assert (message.kind, message.audience, message.recipient) == ("warning", "reporter", "rita@example.org")
    assert (message.state, message.automatic, message.created_by) == ("waiting", True, "bob")
    assert "People here found 5 of them to be unfounded" in message.body and "attack 14" in message.body and WHY not in message.body
    assert "carol" not in message.body.lower() and CAROL not in message.body
    entry = Entry.objects.get(action="reporter.warn")
    assert (entry.actor, entry.subject, entry.reason) == ("bob", f"reporter:{rita().pk}", WHY)
    assert entry.detail["message"] == message.pk and (entry.detail["wrong"], entry.detail["judged"]) == (5, 5)
    assert rita().warned_at == LATER and seen() == []
    with pytest.raises(Refused, match="0 of 0"):
        warn()
    assert OutboxMessage.objects.filter(kind="warning").count() == 1
    after = LATER + timedelta(days=1)
    wrong(5, first=50, now=after, judged=after + timedelta(hours=5), category="malware")
    assert seen(after + timedelta(days=1)) == [(5, 5)]


@pytest.mark.parametrize(
    ("language", "said", "words"),
    [
        ("nl", DUTCH, "ongegrond"),
        ("de", "Von dieser Adresse wurde unser Server angegriffen, und das ist nicht das erste Mal gewesen", "unbegründet"),
        ("fr", "Notre serveur a été attaqué depuis cette adresse et ce n'est pas la première fois que cela arrive", "infondés"),
        ("es", "Nuestro servidor ha sido atacado desde esta dirección y no es la primera vez que esto ocurre", "infundados"),
    ],
)
def test_the_warning_is_written_in_the_language_of_the_reports(desk, language, said, words):
    wrong(5)
    Report.objects.update(description=said)
    message = warn()
    assert message.language == language and words in message.body and message.html


def test_a_lead_leaves_it_at_that_and_the_count_begins_anew(desk):
    wrong(5)
    warning.spare(reporter=rita().pk, reason="a mistake in her script, mended", by="bob", now=LATER)
    assert seen() == [] and rita().spared_at == LATER and rita().warned_at is None
    assert Entry.objects.get(action="reporter.spare").detail["wrong"] == 5
    assert not OutboxMessage.objects.filter(kind="warning").exists()


@pytest.mark.parametrize("service", [warning.warn, warning.spare])
def test_only_a_lead_decides_with_a_reason_about_somebody_who_exists(desk, service):
    wrong(5)
    lacking = [name for name in roles.STAFF if name not in roles.ACTS["decide as a lead"]]
    colleagues(**{f"x{name}": name for name in lacking})
    for by in ("alice", *[f"x{name}" for name in lacking], "nobody", "", "system:clock", "token:noc", "contact:1"):
        with pytest.raises(Refused):
            service(reporter=rita().pk, reason=WHY, by=by, now=LATER)
    with pytest.raises(InputError, match="reason"):
        service(reporter=rita().pk, reason="  ", by="bob", now=LATER)
    with pytest.raises(NotFound):
        service(reporter=0, reason=WHY, by="bob", now=LATER)
    assert rita().warned_at is None and rita().spared_at is None
    assert not OutboxMessage.objects.filter(kind="warning").exists()


def test_the_daily_cap_and_our_own_mailbox_stop_a_warning_too(desk, monkeypatch):
    wrong(5)
    monkeypatch.setattr(warning, "own_addresses", lambda: ("rita@example.org",))
    with pytest.raises(Refused, match="cannot be written to"):
        warn()
    monkeypatch.undo()
    OutboxMessage.objects.update(created_at=LATER)
    for number in range(3):
        OutboxMessage.objects.create(
            reference=f"submission:{number}", audience="reporter", kind="ask-back", recipient="rita@example.org", subject="x",
            body="x", created_at=LATER, not_before=LATER,
        )  # fmt: skip
    with pytest.raises(Refused, match="warn tomorrow"):
        warn()
    assert rita().warned_at is None
