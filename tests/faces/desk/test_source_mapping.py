"""What a source's columns mean, on the desk: tried on a sample, kept by leads and administrators, on the record."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.faces.desk import factory
from tipstaff.audit.models import Entry
from tipstaff.evidence.models import Opening
from tipstaff.evidence.services import Plain, keep, put_seal_on
from tipstaff.intake.models import Source, Submission
from tipstaff.intake.reading.feeds.mapping import mark_of
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.ids import new_id

pytestmark = pytest.mark.django_db
MAPPING = 'category = "compromised"\n[columns]\nip = "Sent By"\ntime = ["Seen"]\n[time]\nzone = "UTC"\n'
ROWS = "Sent By;Seen\n192.0.2.7;2026-06-14 10:00:00\nnonsense;2026-06-14 10:00:01\n192.0.2.9;2026-06-14 10:00:02\n"


@pytest.fixture
def feed(desk):
    return Source.objects.create(name="partner", kind="files", settings={"note": "a list"}, created_at=clock_now())


def received(feed, content=ROWS, state="parsed", trace=("read",), at=None):
    (blob,) = keep(items=[Plain(content.encode(), evidence_class="feed")], now=clock_now())
    moment = at or clock_now()
    number = new_id(moment)
    return Submission.objects.create(
        id=number, source=feed, source_ref=str(number), blob_id=blob, filename="list.csv", received_at=moment, state=state,
        trace=list(trace),
    )  # fmt: skip


def page_of(feed):
    return f"/settings/sources/{feed.pk}/"


def mapping_of(feed):
    feed.refresh_from_db()
    return feed.settings.get("mapping")


def test_a_lead_tries_a_mapping_and_keeps_it_on_the_record(feed, signed_in):
    bob = signed_in("bob")
    tried = bob.post(page_of(feed), {"mapping": MAPPING, "pasted": ROWS, "check": "1"}).content.decode()
    for told in ("the accused address", "when it happened", "2026-06-14 10:00:00 UTC", "row 2: column sent_by", "2 events"):
        assert told in tried
    assert mapping_of(feed) is None and not Entry.objects.filter(action="source.configure").exists()
    assert bob.post(page_of(feed), {"mapping": MAPPING, "pasted": ROWS, "keep": "1"}).status_code == 302
    assert mapping_of(feed) == MAPPING and feed.settings["note"] == "a list"
    entry = Entry.objects.get(action="source.configure")
    assert (entry.actor, entry.subject, entry.detail["mapping"], entry.detail["mark"]) == (
        "bob", "source:partner", MAPPING, mark_of(MAPPING))  # fmt: skip
    assert mark_of(MAPPING) in bob.get(page_of(feed)).content.decode() and page_of(feed) in bob.get("/settings/").content.decode()


def test_everybody_reads_it_and_leads_and_administrators_change_it(feed, alice, of_role):
    Source.objects.filter(pk=feed.pk).update(settings={"mapping": MAPPING})
    shown = alice.get(page_of(feed)).content.decode()
    assert "Sent By" in shown and "Leads and administrators change this" in shown and 'name="keep"' not in shown
    assert alice.post(page_of(feed), {"mapping": MAPPING, "keep": "1"}).status_code == 409
    assert of_role("auditor").post(page_of(feed), {"remove": "1"}).status_code == 403
    assert mapping_of(feed) == MAPPING
    given = {"remove": "1", "seen": mark_of(MAPPING)}
    assert of_role("admin").post(page_of(feed), given).status_code == 302 and mapping_of(feed) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mapping": "[columns]\nip = 3", "keep": "1"}, "line 2, columns.ip"),
        ({"mapping": "[columns", "keep": "1"}, "is no TOML"),
        ({"mapping": "", "keep": "1"}, "is empty"),
        ({"mapping": MAPPING, "check": "1"}, "there is none"),
        ({"mapping": MAPPING, "check": "1", "sample": "last"}, "can be opened"),
        ({"mapping": MAPPING, "keep": "1", "pasted": "address;when\n192.0.2.7;2026-06-14\n"}, "no table fits the mapping"),
        ({"mapping": MAPPING, "check": "1", "pasted": "{"}, "cannot be read"),
    ],
)
def test_what_cannot_be_kept_is_said_and_nothing_changes(feed, signed_in, given, told):
    answer = signed_in("bob").post(page_of(feed), given)
    assert answer.status_code == 422 and told in answer.content.decode() and "Nothing was kept" in answer.content.decode()
    assert mapping_of(feed) is None


def test_an_uploaded_file_is_tried_and_not_kept(feed, signed_in):
    bob, before = signed_in("bob"), Submission.objects.count()
    given = {"mapping": MAPPING, "check": "1", "file": SimpleUploadedFile("rows.csv", ROWS.encode())}
    assert "192.0.2.9" in bob.post(page_of(feed), given).content.decode()
    assert Submission.objects.count() == before


def test_the_last_file_is_opened_on_the_record_and_never_a_sealed_or_unread_one(feed, signed_in):
    bob = signed_in("bob")
    received(feed)
    received(feed, "Sent By;Seen\n203.0.113.66;2026-06-15\n", state="sealed")
    received(feed, "Sent By;Seen\n203.0.113.67;2026-06-15\n", state="received")
    assert "list.csv" in bob.get(page_of(feed)).content.decode()
    shown = bob.post(page_of(feed), {"mapping": MAPPING, "check": "1", "sample": "last"}).content.decode()
    assert "192.0.2.7" in shown and "203.0.113.6" not in shown
    assert Opening.objects.get(view="trial of a mapping").actor == "bob"
    assert Entry.objects.filter(action="evidence.open", actor="bob").count() == 1


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(feed, signed_in):
    Source.objects.filter(pk=feed.pk).update(settings={"mapping": MAPPING})
    answer = signed_in("bob").post(page_of(feed), {"mapping": MAPPING.replace("Seen", "When"), "keep": "1", "seen": ""})
    assert answer.status_code == 409 and "changed while you worked" in answer.content.decode() and mapping_of(feed) == MAPPING


def test_an_empty_mapping_and_a_sample_make_one_to_begin_with(feed, signed_in):
    given = {"mapping": "", "check": "1", "pasted": "source_ip,timestamp\n192.0.2.7,2026-06-14T10:00:00Z\n"}
    shown = signed_in("bob").post(page_of(feed), given).content.decode()
    assert "ip = &quot;source_ip&quot;" in shown and "# zone" in shown and mapping_of(feed) is None


def test_no_such_source(alice):
    assert alice.get("/settings/sources/999999/").status_code == 404
    assert factory.StaffMember.objects.exists()


def test_the_list_says_what_is_silent_mapped_and_fed_by_others(feed, signed_in):
    three_hours_ago = clock_now() - timedelta(hours=3)
    silent = {"expected_every": timedelta(hours=1), "last_received_at": None, "created_at": three_hours_ago}
    Source.objects.filter(pk=feed.pk).update(settings={"mapping": MAPPING}, **silent)
    bob = signed_in("bob")
    shown = bob.get("/settings/").content.decode()
    row = re.search(rf'<a href="{page_of(feed)}">.*?</tr>', shown).group(0)
    assert "mapped" in row and "nothing ever, expected every 1 h" in row and 'name="enabled"' in row
    fed = Source.objects.create(name="by smtp", kind="smtp", created_at=clock_now())
    row = re.search(rf'<a href="{page_of(fed)}">.*?</tr>', bob.get("/settings/").content.decode()).group(0)
    assert "nothing yet" in row and 'name="enabled"' not in row


def test_the_alarm_and_the_switch_are_kept_on_the_record_and_what_others_feed_stays_on(feed, alice, signed_in):
    bob, fed = signed_in("bob"), Source.objects.create(name="by smtp", kind="smtp", created_at=clock_now())
    assert alice.post("/settings/", {"source": feed.pk, "minutes": "5"}).status_code == 409
    assert bob.post("/settings/", {"source": feed.pk, "minutes": "90"}).status_code == 302
    assert bob.post("/settings/", {"source": fed.pk, "minutes": ""}).status_code == 302
    assert bob.post("/settings/", {"source": 999999, "minutes": ""}).status_code == 404
    assert bob.post("/settings/", {"source": feed.pk, "minutes": "soon"}).status_code == 422
    feed.refresh_from_db()
    fed.refresh_from_db()
    assert (feed.enabled, feed.expected_every, fed.enabled, fed.expected_every) == (False, timedelta(minutes=90), True, None)
    entry = Entry.objects.get(action="source.change", subject="source:partner")
    assert entry.detail == {"enabled": False, "minutes": 90}


def test_what_was_shut_with_its_case_is_neither_named_nor_opened(feed, signed_in):
    shut = received(feed, at=clock_now() - timedelta(minutes=1))
    put_seal_on(blob=shut.blob, reason="set apart", by="colin", now=clock_now())
    bob = signed_in("bob")
    assert "list.csv" not in bob.get(page_of(feed)).content.decode()
    assert "can be opened" in bob.post(page_of(feed), {"mapping": MAPPING, "sample": "last", "check": "1"}).content.decode()
    assert bob.get(f"/intake/{shut.pk}/").status_code == 404 and not Opening.objects.filter(blob=shut.blob).exists()
