"""Whatever a parser hands on, a batch either stores it or leaves it to a person; it never fails the others."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies

from tests.pipeline.given import CAROL, NOW, deliver, event, feed, provider, report
from tipstaff.cases.models import Case
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.models import Submission
from tipstaff.pipeline.cleaning import LARGEST
from tipstaff.reports.models import Event, FeedDelivery, Report

pytestmark = pytest.mark.django_db
BAD = "a\0b\ud800c"


def test_nul_and_lone_surrogates_in_every_text():
    provider()
    hostile = event(
        domain=BAD, url=BAD, mailbox=BAD, protocol=BAD, time_as_written=BAD, identity=(BAD,), report_type=BAD,
        details={BAD: [BAD, {BAD: BAD}], "tuple": (BAD,)},
    )  # fmt: skip
    hostile.found_in = {"ip": BAD}
    draft = report(
        hostile, by=BAD, subject=BAD, external_id=BAD, warnings=[BAD], needs=[BAD], xarf={"category": BAD}, copyright={"work": BAD}
    )
    draft.description = draft.reporter.name = draft.reporter.organisation = draft.reporter.authenticated_as = BAD
    deliver(draft)
    stored, filed = Event.objects.get(), Report.objects.get()
    assert stored.url == stored.domain == filed.subject == "ab?c" and Case.objects.get().events == 1
    assert stored.details["ab?c"] == ["ab?c", {"ab?c": "ab?c"}]


def test_nul_in_every_column_of_a_feed():
    provider()
    texts = ("domain", "url", "mailbox", "time_as_written", "identity", "report_type", "category")
    draft = feed([CAROL, "192.0.2.8"])
    draft.table = draft.table.with_columns(*[pl.Series(name, ["a\0b", None]) for name in texts])
    deliver(draft)
    assert Event.objects.count() == 2 and Event.objects.get(ip=CAROL).domain == "ab"


def test_words_that_look_like_an_escape_stay_what_they_are():
    provider()
    deliver(report(event(details={"line": "\\u0000 \\\\u0000 \\"}), warnings=["\\u0000"], subject='"\\u0000"'))
    assert Event.objects.get().details["line"] == "\\u0000 \\\\u0000 \\" and Report.objects.get().warnings == ["\\u0000"]


def test_an_end_of_data_mark_in_a_text_ends_nothing():
    provider()
    deliver(report(event(), subject='x\n\\.\ny","\r\n\\.\r\n', category_from="structure\n\\.\n"), report(event("192.0.2.8")))
    assert Report.objects.order_by("id").first().subject == 'x\n\\.\ny","\r\n\\.\r\n' and Event.objects.count() == 2


def test_what_json_cannot_say():
    provider()
    deep = []
    for _ in range(5000):
        deep = [deep]
    details = {
        "n": math.nan,
        "i": math.inf,
        "big": 10**400,
        "deep": deep,
        "when": NOW,
        "raw": b"\xff",
        7: "x",
        ("a", 1): "y",
        "s": {1},
    }
    deliver(report(event(details=details)))
    stored = Event.objects.get().details
    assert (stored["n"], stored["i"], stored["7"]) == (None, None, "x") and stored["big"].startswith("1000")


def test_details_without_end_are_left_to_the_evidence():
    provider()
    deliver(report(event(details={"log": "x" * 1_000_000})))
    assert "see the evidence" in Event.objects.get().details["left_out"]


@pytest.mark.parametrize("number", [-5, 0, 2**31 - 1, 2**31, 2**63, 10**30])
def test_counts_ports_and_rows_out_of_range(number):
    provider()
    deliver(report(event(count=number, port=number, row=number)))
    stored = Event.objects.get()
    assert stored.count == min(max(number, 1), LARGEST) and (stored.port is None or 0 <= stored.port <= 65535)


def test_numbers_of_a_feed_out_of_range():
    provider()
    draft = feed([CAROL, "192.0.2.8", "192.0.2.9"], count=[2**40, -7, 3])
    draft.table = draft.table.with_columns(pl.Series("port", [2**40, -1, 80]))
    deliver(draft)
    found = {str(e.ip): (e.count, e.port) for e in Event.objects.all()}
    assert found == {CAROL: (1, None), "192.0.2.8": (1, None), "192.0.2.9": (3, 80)}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(days=4000), datetime(2026, 6, 15, 9, 59, 59, 123457, tzinfo=UTC),
    ],
)  # fmt: skip
def test_times_of_all_ages(moment):
    provider()
    outcome = deliver(report(event(at=moment)), feed([CAROL], at=moment))
    assert outcome.events == 2
    assert deliver(report(event(at=moment)), feed([CAROL], at=moment)).duplicates == 2
    for stored in Event.objects.all():
        assert stored.occurred_at in {moment, None} and stored.occurred_at


def test_a_time_of_a_feed_that_python_cannot_say_is_no_time():
    provider()
    draft = feed([CAROL])
    draft.table = draft.table.with_columns(pl.lit(2**62).cast(pl.Datetime("us", "UTC")).alias("occurred_at"))
    deliver(draft)
    assert Event.objects.get().occurred_at is None


def test_one_event_in_the_future_does_not_make_every_later_delivery_stale():
    provider()
    deliver(feed([CAROL, "192.0.2.8"]), kind="pull")
    wild = feed([CAROL], at=NOW + timedelta(days=9000))
    deliver(wild, now=NOW + timedelta(hours=1), kind="pull")
    deliver(feed([CAROL], at=NOW + timedelta(hours=20)), now=NOW + timedelta(days=1), kind="pull")
    assert list(FeedDelivery.objects.order_by("id").values_list("fresh", flat=True)) == [True, False, True]


def test_forged_deliveries_do_not_close_cases():
    from tipstaff.pipeline import sweeping

    provider()
    deliver(feed([CAROL]), kind="pull")
    for day in range(1, 6):
        moment = NOW + timedelta(days=day)
        deliver(feed(["198.51.100.9"], at=moment - timedelta(hours=1)), now=moment, kind="smtp")
    assert sweeping.close_absent_findings(now=NOW + timedelta(days=6)) == 0
    assert not FeedDelivery.objects.filter(fresh=True).exclude(delivered_at=NOW).exists()


def test_very_long_texts_and_titles_without_line_breaks():
    from tipstaff.accounts.models import Contact, Customer, Service, ServiceName

    provider()
    Contact.objects.create(customer=Customer.objects.get(name="Carol"), name="Carol", email="abuse@carol.example")
    ServiceName.objects.create(kind="host", value="shop.example", service=Service.objects.get(name="carol-1"),
                               period=(NOW - timedelta(days=99), None), recorded_at=NOW)  # fmt: skip
    many = "x" * 300_000
    url = f"http://shop.example/a\r\nBcc: victim@example.org\r\n{many}"
    draft = report(event(ip=None, url=url, domain="shop.example", report_type=many, time_as_written=many), by=f"{many}@example.org")
    draft.external_id = draft.subject = draft.description = draft.reporter.name = draft.feed = many
    draft.warnings = [many] * 3000
    deliver(draft)
    assert Event.objects.count() == 1 and len(Event.objects.get().url) == 4000
    for case in Case.objects.all():
        assert len(case.headline) <= 250 and "\n" not in case.headline
    for message in OutboxMessage.objects.all():
        assert "\n" not in message.subject and "\r" not in message.subject and "Bcc: victim" not in message.subject.split("\n")[1:]


def test_an_event_without_an_address_goes_by_its_domain():
    from tipstaff.accounts.models import Service, ServiceName

    provider()
    ServiceName.objects.create(kind="domain", value="shop.example", service=Service.objects.get(name="dave-1"),
                               period=(NOW - timedelta(days=99), None), recorded_at=NOW)  # fmt: skip
    deliver(report(event(ip=None, domain="shop.example"), event(ip=None, domain="elsewhere.example"), event(ip=None)))
    assert {case.customer.name for case in Case.objects.all()} == {"Dave"}
    assert Event.objects.filter(case_id__isnull=True).count() == 2


def test_a_url_alone_longer_than_an_index_takes_opens_a_case():
    from tipstaff.accounts.models import Service, ServiceName

    provider()
    ServiceName.objects.create(kind="domain", value="shop.example", service=Service.objects.get(name="dave-1"),
                               period=(NOW - timedelta(days=99), None), recorded_at=NOW)  # fmt: skip
    import random

    tail = "".join(random.Random(1).choices("abcdefghijklmnop0123456789", k=3900))  # does not compress
    deliver(report(event(ip=None, url=f"http://shop.example/{tail}")))
    assert len(Case.objects.get(customer__name="Dave").headline) == 250


def test_reports_without_events_reporter_or_anything():
    from tipstaff.intake.drafts import Disposition, ReportDraft

    provider()
    deliver(*[ReportDraft(format="x", disposition=disposition) for disposition in Disposition], ReportDraft(format=""))
    deliver(now=NOW)
    assert Report.objects.count() == len(Disposition) + 1
    assert Submission.objects.order_by("received_at", "state").last().state in {"set_aside", "parsed", "needs_person"}


def test_a_held_event_whose_kind_is_not_known_goes_to_a_person():
    provider()
    deliver(report(event(), category=None))
    row = Submission.objects.get()
    assert row.state == "needs_person" and "kind" in row.reason and not Case.objects.exists()


text = strategies.text(strategies.characters(codec=None), max_size=20)
anything = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | text,
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(text, inner, max_size=3), max_leaves=8,
)  # fmt: skip
drafts = strategies.builds(
    lambda ip, port, domain, url, at, count, row, details, written, subject, external, by, category, identity: report(
        event(ip=ip, at=at, port=port, domain=domain, url=url, count=count, row=row, details=details, time_as_written=written,
              identity=tuple(identity)),
        subject=subject, external_id=external, by=by, category=category,
    ),
    strategies.sampled_from([None, CAROL, "192.0.2.8", "8.8.8.8", "2001:db8::1", "not an address", "::ffff:192.0.2.7"]) | text,
    strategies.none() | strategies.integers(), strategies.none() | text, strategies.none() | text,
    strategies.none() | strategies.datetimes(timezones=strategies.just(UTC)), strategies.integers(),
    strategies.none() | strategies.integers(), strategies.dictionaries(text, anything, max_size=3), strategies.none() | text,
    strategies.none() | text, strategies.none() | text, strategies.none() | text,
    strategies.sampled_from([None, "phishing", "nonsense", "", "vulnerable"]), strategies.lists(text, max_size=2),
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate), suppress_health_check=list(HealthCheck), deadline=None
)
@given(strategies.lists(drafts, min_size=1, max_size=4))
def test_random_drafts_are_stored_and_read_again_without_a_change(found):
    if not Submission.objects.exists():
        provider()
    before = Event.objects.count()
    outcome = deliver(*found)
    assert Event.objects.count() == before + outcome.events
