"""Into the database once, claimed by one, never stuck."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.pipeline.given import NOW
from tipstaff.evidence.models import Blob
from tipstaff.intake import services
from tipstaff.intake.models import Correction, Source, Submission
from tipstaff.intake.spool import Accepted, accepted
from tipstaff.kernel.errors import Refused

pytestmark = pytest.mark.django_db


def one(content=b"mail", **more):
    return accepted(**{"source": "smtp", "kind": "smtp", "content": content, "now": NOW} | more)


def test_accepting_twice_is_accepting_once():
    items = [one(b"a", ref="1"), one(b"b", ref="2"), one(b"a", ref="3")]
    assert services.accept(items=items, now=NOW) == [item.id for item in items]
    assert services.accept(items=items, now=NOW + timedelta(hours=1)) == []
    assert Submission.objects.count() == 3 and Blob.objects.count() == 2
    assert services.accept(items=[], now=NOW) == []


def test_one_call_with_the_same_submission_twice():
    item = one(ref="1")
    assert services.accept(items=[item, item], now=NOW) == [item.id]


def test_the_order_of_acceptance_is_kept():
    items = [one(bytes([n]), ref=str(n)) for n in range(50)]
    assert services.accept(items=items, now=NOW) == [item.id for item in items]


def test_what_postgresql_refuses_in_an_envelope_does_not_refuse_the_mail():
    item = Accepted(
        uuid4(), "smtp", "smtp", "ref\0\ud800", NOW, b"x", "a\0.eml", {"mail_from": "a\0b", "n": 10**30, "d": {"\0": 1}}
    )
    assert services.accept(items=[item], now=NOW) == [item.id]
    row = Submission.objects.get()
    assert (row.filename, row.source_ref, row.envelope["mail_from"]) == ("a.eml", "ref?", "ab")


def test_a_source_that_speaks_is_silent_no_longer():
    services.ensure_source(name="smtp", kind="smtp", now=NOW - timedelta(days=9))
    Source.objects.update(silent_since=NOW - timedelta(days=1), last_error="away")
    services.accept(items=[one()], now=NOW)
    source = Source.objects.get()
    assert (source.silent_since, source.last_error, source.last_received_at) == (None, "", NOW)


def test_feeds_are_kept_by_their_own_class():
    services.accept(items=[one(b"1", kind="pull", source="p"), one(b"2", filename="X.CSV"), one(b"3")], now=NOW)
    assert sorted(Blob.objects.values_list("evidence_class", flat=True)) == ["feed", "feed", "mail"]


def waiting(count=5, size=10):
    items = [one(bytes([n]) * size, ref=str(n), now=NOW + timedelta(seconds=n)) for n in range(count)]
    services.accept(items=items, now=NOW)
    return [item.id for item in items]


def test_claims_go_oldest_first_and_to_one_worker_only():
    ids = waiting()
    first = services.claim(by="h:1", most=3, now=NOW)
    second = services.claim(by="h:2", most=3, now=NOW)
    assert [s.pk for s in first] == ids[:3] and [s.pk for s in second] == ids[3:]
    assert services.claim(by="h:3", most=3, now=NOW) == []


def test_a_claim_is_bounded_in_bytes_but_takes_one_always():
    waiting(size=1000)
    assert len(services.claim(by="h:1", most=5, most_bytes=2500, now=NOW)) == 2
    assert len(services.claim(by="h:1", most=5, most_bytes=1, now=NOW)) == 1


def test_a_claim_lapses():
    ids = waiting(1)
    services.claim(by="h:1", most=3, now=NOW)
    assert services.claim(by="h:2", most=3, now=NOW + services.CLAIM - timedelta(seconds=1)) == []
    assert [s.pk for s in services.claim(by="h:2", most=3, now=NOW + services.CLAIM)] == ids


def test_dead_workers_claims_come_back_and_living_ones_stay():
    ids = waiting(4)
    for number, by in zip(ids, ("h:1", "h:2", "other:1", "h:desk"), strict=True):
        Submission.objects.filter(pk=number).update(claimed_by=by, claimed_until=NOW + services.CLAIM)
    assert services.release_dead_claims(host="h", alive=lambda pid: pid == 2) == 2
    assert [s.pk for s in services.claim(by="h:3", most=9, now=NOW)] == [ids[0], ids[3]]


def test_a_worker_gives_back_its_own():
    waiting(2)
    services.claim(by="h:1", most=9, now=NOW)
    assert services.release_claims(by="h:2") == 0 and services.release_claims(by="h:1") == 2


def test_a_person_decides():
    (number,) = waiting(1)
    row = Submission.objects.get(pk=number)
    services.decide(submission=row, state="set_aside", reason="a test", by="alice", now=NOW, case_ref="7")
    row.refresh_from_db()
    assert (row.state, row.reason, row.decided_by, row.case_ref, row.due_at) == ("set_aside", "a test", "alice", "7", None)
    with pytest.raises(Refused, match="choose"):
        services.decide(submission=row, state="failed", reason="x", by="alice", now=NOW)
    Submission.objects.update(state="sealed")
    row.refresh_from_db()
    with pytest.raises(Refused, match="sealed"):
        services.decide(submission=row, state="received", reason="x", by="alice", now=NOW)


def test_a_correction_is_kept_with_whose_mails_it_teaches_us_about():
    (number,) = waiting(1)
    Submission.objects.update(sender="rita@example.org")
    services.correct(
        submission=Submission.objects.get(pk=number), field="category", before="spam", after="phishing", by="alice", now=NOW
    )
    kept = Correction.objects.get()
    assert (kept.sender, kept.before, kept.after, kept.by) == ("rita@example.org", "spam", "phishing", "alice")


def test_what_failed_waits_for_a_person_with_its_reason():
    (number,) = waiting(1)
    services.claim(by="h:1", most=1, now=NOW)
    services.fail(submission_id=number, reason="bad\0 " + "x" * 9000, trace=[{"step": "parse"}], due_at=NOW, now=NOW)
    row = Submission.objects.get()
    assert (row.state, row.claimed_by, len(row.reason), row.due_at) == ("failed", "", 2000, NOW) and row.reason.startswith("bad ")


def test_tries_are_counted():
    ids: list[UUID] = waiting(2)
    services.attempt(submissions=ids[:1])
    services.attempt(submissions=ids)
    assert list(Submission.objects.order_by("received_at").values_list("attempts", flat=True)) == [2, 1]
