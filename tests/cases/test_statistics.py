"""Figures over a period: each number counted by hand beside the query."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from tests.faces.desk import factory
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.audit.services import record
from tipstaff.cases import figures, statistics
from tipstaff.cases.models import Appeal, Case, JournalEntry, Ruling
from tipstaff.cases.statistics import Appeals, Period
from tipstaff.evidence.models import Blob, Opening
from tipstaff.faces.public import figures as public

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)
H, M = timedelta(hours=1), timedelta(minutes=1)
MONTH = Period(NOW - timedelta(days=30), NOW)


@pytest.fixture
def made(db):
    """A desk with its people, customers and edition, and none of its cases."""
    found = factory.sample(NOW, filler=0)
    Case.objects.update(opened_at=NOW - timedelta(days=400), ticketed_at=None, closed_at=None)
    return found


def case(made, *, clause="5.1", opened=10 * H, ticketed=None, closed=None, customer: Customer | None = None, **more) -> Case:
    """A case with moments before NOW; ``ticketed`` and ``closed`` after opening."""
    template = made.cases[0]
    start = NOW - opened
    fields = {
        "customer": customer or made.carol, "category": "spam", "clause": clause, "severity": "high", "edition": template.edition,
        "group_key": factory.new_id(NOW), "opened_at": start, "refreshed_at": start, "window_until": start + H,
        "desk_due_at": start + 4 * H, "accepting": False, "state": "RESOLVED" if closed is not None else "TICKETED",
    } | more  # fmt: skip
    if ticketed is not None:
        at = start + ticketed
        fields |= {"ticketed_at": at, "ack_due_at": at + 2 * H, "resolve_due_at": at + 6 * H}
    if closed is not None:
        fields["closed_at"] = start + closed
    return Case.objects.create(**fields)


def acts(what: Case, by: str, *minutes: float) -> None:
    """Acts of somebody on the case's timeline, in minutes after its opening."""
    for after in minutes:
        JournalEntry.objects.create(case=what, at=what.opened_at + after * M, actor=by, kind="note", text="x")


def acknowledged(what: Case, after: timedelta) -> None:
    JournalEntry.objects.create(
        case=what, at=what.ticketed_at + after, actor="contact:1", kind="state", text="x", detail={"state": "ACKNOWLEDGED"}
    )  # fmt: skip


def by_key(rows, group=""):
    return {row.key: row for row in rows if row.group == group}


class TestTimes:
    def test_median_p90_and_share_in_time(self, made) -> None:
        for hours in (1, 2, 3, 5, 9):
            acknowledged(case(made, opened=20 * H, ticketed=hours * H, closed=hours * H + 4 * H), H * hours / 2)
        found = by_key(statistics.times(period=MONTH))
        decide, ack, resolve = found["decide"], found["acknowledge"], found["resolve"]
        assert (decide.cases, decide.median, decide.allowed, decide.in_time) == (5, 3 * H, 4 * H, 3)
        assert decide.p90 == 5 * H + 0.6 * (9 - 5) * H and decide.over
        assert (ack.median, ack.allowed, ack.in_time, ack.share) == (1.5 * H, 2 * H, 3, 0.6)
        assert (resolve.median, resolve.p90, resolve.share, resolve.over) == (4 * H, 4 * H, 1.0, False)

    def test_by_clause_and_by_customer(self, made) -> None:
        case(made, ticketed=H), case(made, ticketed=3 * H), case(made, ticketed=2 * H, clause="4.2", customer=made.dave)
        by_clause = {row.group: row for row in statistics.times(period=MONTH, by="clause") if row.key == "decide"}
        assert {group: (row.cases, row.median) for group, row in by_clause.items()} == {"5.1": (2, 2 * H), "4.2": (1, 2 * H)}
        by_customer = {row.name: row.cases for row in statistics.times(period=MONTH, by="customer") if row.key == "decide"}
        assert by_customer == {made.carol.name: 2, made.dave.name: 1}

    def test_a_period_has_its_beginning_and_not_its_end(self, made) -> None:
        case(made, opened=30 * 24 * H, ticketed=timedelta()), case(made, opened=H, ticketed=H)
        assert by_key(statistics.times(period=MONTH))["decide"].cases == 1

    def test_an_acknowledgement_counts_once_the_first_time(self, made) -> None:
        one = case(made, ticketed=H)
        acknowledged(one, H)
        acknowledged(one, 5 * H)
        assert by_key(statistics.times(period=MONTH))["acknowledge"].median == H

    def test_restricted_cases_are_in_no_figure(self, made) -> None:
        case(made, ticketed=H, closed=2 * H, state="RESTRICTED_CASE")
        assert statistics.times(period=MONTH) == [] and statistics.work(period=MONTH) == []

    @pytest.mark.parametrize("by", ["", "clause", "customer"])
    def test_nor_are_those_that_were_dealt_with_after_they_had_been_set_apart(self, made, by) -> None:
        apart = case(made, ticketed=H, closed=2 * H)
        Appeal.objects.create(case=apart, grounds="x", by="contact:1", at=NOW - 2 * H, within_until=NOW)
        assert statistics.times(period=MONTH, by=by) and statistics.work(period=MONTH, by=by)
        assert statistics.appeals(period=MONTH).brought == 1
        Ruling.objects.create(case=apart, kind="sealed", decision="sealed", reason="x", role="lead", by="colin", at=NOW - H)
        assert statistics.times(period=MONTH, by=by) == [] and statistics.work(period=MONTH, by=by) == []
        assert statistics.appeals(period=MONTH).brought == 0

    def test_homes_and_the_publics_figures_leave_them_out_too(self, made) -> None:
        apart = [case(made, ticketed=H, closed=2 * H) for _ in range(10)]
        week = f"{NOW - 10 * H:%G-W%V}"

        def counted() -> list[int]:
            cache.clear()
            weeks = figures.clauses_by_week(weeks=[week], since=NOW - timedelta(days=7))
            tables = public.tables({}, NOW)
            return [
                figures.timings(now=NOW)[0].cases,
                sum(sum(row.values()) for _, row in weeks),
                sum(len(one.rows) for one in tables),
            ]

        assert counted()[0] == 10 and all(counted())
        for one in apart:
            Ruling.objects.create(case=one, kind="sealed", decision="sealed", reason="x", role="lead", by="colin", at=NOW - H)
        assert counted() == [0, 0, 0]

    def test_each_case_is_measured_by_its_own_limit(self, made) -> None:
        """The p90 of all may lie above the median limit of all, and every single case be in time."""
        for hours in (1, 1, 40):
            case(made, opened=50 * H, ticketed=hours * H, desk_due_at=NOW - 50 * H + (hours + 1) * H)
        row = by_key(statistics.times(period=MONTH))["decide"]
        assert row.p90 > row.allowed and row.share == 1.0 and not row.over

    def test_without_a_limit_nothing_is_said_of_it(self, made) -> None:
        case(made, ticketed=H, desk_due_at=None)
        row = by_key(statistics.times(period=MONTH))["decide"]
        assert (row.allowed, row.share, row.over) == (None, None, False)


class TestWork:
    def test_acts_are_charged_the_time_since_the_persons_last(self, made) -> None:
        one = case(made, closed=5 * H)
        acts(one, "alice", 10, 13, 14.5)  # 2 min lead, then 3 and 1.5
        acts(one, "alice", 60, 61)  # after a break: 2, then 1
        (row,) = statistics.work(period=MONTH)
        assert (row.cases, row.untouched, row.spent) == (1, 0, 9.5 * M)

    def test_two_people_are_two_sittings(self, made) -> None:
        one = case(made, closed=5 * H)
        acts(one, "alice", 10, 12)
        acts(one, "bob", 11)
        assert statistics.work(period=MONTH)[0].spent == (2 + 2 + 2) * M

    def test_one_sitting_over_two_cases_is_counted_once(self, made) -> None:
        one = case(made, closed=5 * H, clause="5.1")
        two = case(made, closed=5 * H, clause="4.2")
        acts(one, "alice", 10, 14)
        acts(two, "alice", 12, 15)
        spent = {row.group: row.spent for row in statistics.work(period=MONTH, by="clause")}
        assert spent == {"5.1": (2 + 2) * M, "4.2": (2 + 1) * M}

    def test_a_hundred_cases_in_one_stroke_cost_the_stroke(self, made) -> None:
        for _ in range(100):
            acts(case(made, closed=5 * H), "alice", 10)
        (row,) = statistics.work(period=MONTH)
        assert (row.cases, row.spent, row.untouched) == (100, 2 * M, 0)

    def test_openings_of_evidence_and_the_record_are_acts_too(self, made) -> None:
        one = case(made, closed=5 * H)
        blob = Blob.objects.first()
        Opening.objects.create(blob=blob, at=one.opened_at + 10 * M, actor="alice", grant=f"case:{one.pk} desk", view="raw")
        record(by="alice", action="case.merge", subject=f"case:{one.pk}", now=one.opened_at + 13 * M)
        record(by="alice", action="rule.on", subject="rule:1", now=one.opened_at + 14 * M)
        record(by="alice", action="case.merge", subject=f"case:{one.pk}0000", now=one.opened_at + 15 * M)
        assert statistics.work(period=MONTH)[0].spent == 5 * M

    def test_machines_and_customers_touch_nothing(self, made) -> None:
        one, two = case(made, closed=5 * H), case(made, closed=5 * H)
        for by in ("system", "system:clock", "contact:7", "token:noc"):
            acts(one, by, 10, 20)
        acts(two, "alice", 10)
        (row,) = statistics.work(period=MONTH)
        assert (row.untouched, row.share, row.median, row.mean) == (1, 0.5, 1 * M, 1 * M)
        assert StaffMember.objects.filter(username="alice").exists()


class TestAppeals:
    def test_what_became_of_them(self, made) -> None:
        decided = {"decided_at": NOW - H, "decided_by": "bob"}
        for decision, more in (("overturned", decided), ("upheld", decided), ("upheld", decided), ("withdrawn", decided), ("", {})):
            Appeal.objects.create(
                case=case(made), grounds="x", by="contact:1", at=NOW - 2 * H, within_until=NOW, decision=decision, **more
            )
        Appeal.objects.create(case=case(made), grounds="x", by="x", at=NOW - timedelta(days=60), within_until=NOW, **decided)
        found = statistics.appeals(period=MONTH)
        assert found == Appeals(brought=5, overturned=1, stands=2, withdrawn=1, open=1)
        assert found.share == pytest.approx(1 / 3)

    def test_none(self, made) -> None:
        assert statistics.appeals(period=MONTH).share is None


class TestRepeatOffenders:
    def test_what_was_no_breach_makes_nobody_an_offender(self, made) -> None:
        for state in ("RESOLVED", "RESOLVED", "CLOSED_FALSE", "MERGED", "CLOSED_DUPLICATE", "CLOSED_SPEECH"):
            case(made, closed=H, state=state)
        case(made, clause="4.3", category="intrusion", ticketed=H)
        for state in ("CLOSED_FALSE", "CLOSED_COMPLIANT", "CLOSED_EXCEPTION", "CLOSED_NOT_OURS", "RESTRICTED_CASE", "TICKETED"):
            case(made, customer=made.dave, state=state)
        case(made, opened=timedelta(days=100), closed=H)
        (found,) = figures.repeat_offenders(now=NOW)
        assert (found["customer"], found["cases"], found["open"], found["upheld"]) == (made.carol.pk, 3, 1, 2)
        assert (found["clause"], found["category"]) == ("5.1", "spam")
