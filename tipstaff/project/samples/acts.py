"""What Alice and Bob did in the story: before a clock runs out they decide, tell and close, all but one case."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tipstaff.accounts.models import StaffMember
from tipstaff.cases import messages, services
from tipstaff.cases.models import Case
from tipstaff.faces.desk.models import SavedView
from tipstaff.intake import services as intake
from tipstaff.intake.models import Submission
from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused
from tipstaff.project.samples import mails, resolving

WAITS = timedelta(hours=5)  # what came so shortly before the end is left for whoever opens the sample
VIEWS = (
    ("Sample: phishing and malware", "category=phishing&category=malware"),
    ("Sample: waiting on us", "turn=us"),
    ("Sample: Larkfield Web", "q=Larkfield"),
)
REASONS = {
    "RESOLVED": "the customer removed the cause and told us how",
    "CLOSED_COMPLIANT": "what was reported is no breach",
    "CLOSED_FALSE": "the log shows an address that was spoofed",
}


def due_before(moment: datetime, end: datetime) -> Iterator[Case]:
    """Open cases whose clock would run out before ``moment``; those of which the story has more to tell are left alone."""
    rows = Case.objects.filter(closed_at__isnull=True, next_due_at__lte=moment)
    rows = rows.exclude(headline=mails.OVERDUE, category="phishing").exclude(headline__in=(mails.WRONGLY, mails.APPEALED))
    return iter(rows.order_by("next_due_at"))


def work(until: datetime, end: datetime) -> None:
    """Everything that the desk must decide before ``until``, each at a moment within its time."""
    for case in list(due_before(until, end)):
        start = case.ticketed_at or case.opened_at
        at = start + (case.next_due_at - start) * (0.45 + (case.pk % 5) / 10) if case.next_due_at else until
        if at > end:
            continue
        if case.state == "TRIAGE":
            _decide(case, at)
        else:
            # Had it been a breach, the overdue case would be its repetition, and another story.
            _close(case, "CLOSED_COMPLIANT" if case.category == "phishing" else "RESOLVED", "bob", at)
    _clear_intake(until, end)


def _decide(case: Case, at: datetime) -> None:
    alice = StaffMember.objects.get(username="alice")
    services.take(case_ids=[case.pk], by=alice, now=at)
    if case.pk % 6 == 0:
        _close(case, "CLOSED_COMPLIANT" if case.pk % 12 else "CLOSED_FALSE", "alice", at)
        return
    try:
        services.classify(case=case.pk, category=case.category, by="alice", now=at, reason="read and confirmed")
    except Refused as reason:
        services.note(case=case.pk, text=f"Left in triage: {reason}", by="alice", now=at)
        _close(case, "CLOSED_COMPLIANT", "alice", at)
        return
    services.note(case=case.pk, text="Read the log: it is what the reporter says.", by="alice", now=at)


def _close(case: Case, outcome: str, by: str, at: datetime) -> None:
    services.close(case=case.pk, outcome=outcome, reason=REASONS[outcome], by=by, now=at)


def _clear_intake(until: datetime, end: datetime) -> None:
    """What waited in Intake was set aside with a word, but for what came last."""
    waiting = Submission.objects.filter(
        state__in=["needs_person", "failed"], received_at__lt=min(until, end - WAITS) - timedelta(hours=2)
    )
    for row in waiting:
        intake.decide(
            submission=row,
            state="set_aside",
            reason="asked the reporter for an address",
            by="alice",
            now=row.received_at + timedelta(hours=2),
        )


def last_words(now: datetime) -> Case | None:
    """Who owns the overdue case, what was written on it, and views for the queue. Returns that case."""
    alice = StaffMember.objects.get(username="alice")
    for name, query in VIEWS:
        SavedView.objects.create(name=name, query=query, owner=alice, shared=True)
    found = Case.objects.filter(headline=mails.OVERDUE, category="phishing", closed_at__isnull=True).first()
    if found is None:
        return None
    services.take(case_ids=[found.pk], by=alice, now=now - timedelta(hours=6))
    services.note(case=found.pk, text="Same kit as last month. Ask for the plugin list before accepting a plan.", by="bob",
                  now=now - timedelta(hours=4))  # fmt: skip
    said = now - timedelta(hours=2)
    messages.write(case=found.pk, audience="customer", by="alice", now=said,
                   text="The page still answers. Please take it down now and tell us how it got there.")  # fmt: skip
    with clock.frozen(said + timedelta(minutes=1)):
        resolving.post()
    return found
