"""The report form: paste, fill in, look, send; and everything that it refuses."""

import re
from datetime import timedelta

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.pipeline.given import CAROL
from tipstaff.cases.models import Case
from tipstaff.faces.public import limits
from tipstaff.faces.public.filled import ZONES
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import Spool
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Event, Report, Reporter

pytestmark = pytest.mark.django_db
LOG = f"Jun 14 10:02:11 +0200 mx sshd[811]: Failed password for root from {CAROL} port 40112 ssh2"


def hidden(page: bytes, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]*)"', page.decode())[1]


def entered(**more: str) -> dict[str, str]:
    at = (clock_now() - timedelta(days=2)).strftime("%Y-%m-%d %H:%M:%S")
    values = {"kind": "intrusion", "places": CAROL, "at": at, "zone": "+02:00", "description": "Somebody tries passwords.",
              "name": "Rita Reporter", "email": "rita@reporter.example.org", "nonce": "0" * 32}  # fmt: skip
    return values | more


def sent(client: Client, **more: str):
    """Look at it, then send what was seen."""
    values = entered(**more)
    looked = client.post("/report/", values | {"step": "preview"})
    assert looked.status_code == 200, looked.content.decode()
    return client.post("/report/", values | {"step": "send", "seen": hidden(looked.content, "seen")})


def work(settings) -> None:
    worker = Worker(Spool(settings.SPOOL))
    while worker.step():
        pass


def test_the_empty_form_asks_for_one_thing_first(client, provider):
    page = client.get("/report/")
    assert page.status_code == 200
    assert b"A URL, an address, log lines or the whole mail" in page.content
    assert b"<script" not in page.content


def test_a_pasted_log_fills_in_the_form_and_says_that_it_is_ours(client, provider):
    page = client.post("/report/", {"step": "check", "paste": LOG, "nonce": "1"})
    text = page.content.decode()
    assert "<b>Ours.</b>" in text and CAROL in text
    assert re.search(r'value="intrusion" checked', text)
    assert "08:02:11" in text and '<option value="UTC" selected' in text
    for secret in ("Carol", "carol-1"):
        assert secret not in text, "whose it is stays with us"


@pytest.mark.parametrize("paste", ["http://192.0.2.7/login", "192.0.2.7", "hxxp://192[.]0[.]2[.]7/login"])
def test_a_bare_url_or_address_is_enough(client, provider, paste):
    assert b"<b>Ours.</b>" in client.post("/report/", {"step": "check", "paste": paste}).content


def test_a_url_that_is_there_now_is_dated_now(client, provider, settings):
    page = client.post("/report/", {"step": "check", "paste": "http://192.0.2.7/login"}).content
    assert hidden(page, "nonce") == "" and "you see it now" in page.decode()
    at = re.search(r'id="at" name="at" type="text" value="([^"]*)"', page.decode())[1]
    sent(client, kind="phishing", places="http://192.0.2.7/login", at=at, zone="UTC")
    work(settings)
    assert Event.objects.get().customer_id, "without a time it would be ambiguous"


def test_what_is_not_ours_says_where_to_report(client, provider):
    page = client.post("/report/", {"step": "check", "paste": "2001:db8::44"})
    assert "<b>Not ours.</b>" in page.content.decode()
    page = client.post("/report/", entered(places="2001:db8::44") | {"step": "preview"})
    assert page.status_code == 422
    assert "Its registry knows whom to write to" in page.content.decode()
    assert "None of this is in our network" in page.content.decode()


def test_a_report_goes_through_the_spool_to_a_case(client, provider, settings):
    answer = sent(client, paste=LOG, destination_ip="198.51.100.20", destination_port="22")
    assert answer.status_code == 302 and answer.url.startswith("/report/thanks/")
    assert Spool(settings.SPOOL).count() == 1, "it is on the disk before we say thank you"
    assert b"Thank you" in client.get(answer.url).content
    work(settings)
    report = Report.objects.get()
    assert (report.format, report.category, report.state) == ("web-form", "intrusion", "verified")
    event = Event.objects.get()
    assert str(event.ip) == CAROL and event.customer_id
    assert event.details["destination_port"] == "22"
    case = Case.objects.get()
    assert case.state == "TRIAGE" and "not known well enough" in case.needs_person
    assert Reporter.objects.get(pk=report.reporter_id).email == "rita@reporter.example.org"


def test_the_time_keeps_its_zone(client, provider, settings):
    at = clock_now().replace(hour=9, minute=2, second=11, microsecond=0) - timedelta(days=2)
    sent(client, at=f"{at:%Y-%m-%d %H:%M:%S}", zone="+02:00")
    work(settings)
    assert Event.objects.get().occurred_at == at - timedelta(hours=2)


def test_the_same_form_sent_twice_is_one_report(client, provider, settings):
    at = entered()["at"]  # the same second in both, also when the clock moves on between them
    first, second = sent(client, at=at), sent(client, at=at)
    work(settings)
    assert first.url.rsplit("/")[3].split(":")[0] == second.url.rsplit("/")[3].split(":")[0]
    assert Submission.objects.count() == 1
    sent(client, at=at, description="Something else.")
    work(settings)
    assert Submission.objects.count() == 2


def test_what_was_changed_after_the_look_is_shown_again_before_it_is_sent(client, provider, settings):
    looked = client.post("/report/", entered() | {"step": "preview"})
    seen = hidden(looked.content, "seen")
    again = client.post("/report/", entered(description="Other words.") | {"step": "send", "seen": seen})
    assert again.status_code == 200 and "You changed something" in again.content.decode()
    assert not settings.SPOOL.exists() or Spool(settings.SPOOL).count() == 0


def test_the_preview_leaves_out_who_reports(client, provider):
    paste = f"{LOG}\nRita Reporter, rita@reporter.example.org, card 4111 1111 1111 1111"
    page = client.post("/report/", entered(paste=paste) | {"step": "preview"}).content.decode()
    shown = page[page.index("What our customer will see") :]
    assert CAROL in shown
    for secret in ("Rita", "rita@", "4111"):
        assert secret not in shown
    assert "removed:" in shown


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"kind": ""}, "kind", "Choose"),
        ({"places": ""}, "places", "Give the address"),
        ({"places": "nonsense with words"}, "places", "is no address"),
        ({"at": ""}, "at", "When was it first seen"),
        ({"zone": ""}, "zone", "Choose the zone"),
        ({"zone": "+99:00"}, "zone", "Choose the zone"),
        ({"at": "yesterday-ish"}, "at", "Write it as"),
        ({"at": "2999-01-01 00:00:00"}, "at", "in the future|Write it as"),
        ({"at": "1999-01-01 00:00:00"}, "at", "five years|Write it as"),
        ({"name": ""}, "name", "Give your name"),
        ({"email": ""}, "email", "Give an address"),
        ({"email": "rita"}, "email", "not a whole mail address"),
        ({"description": ""}, "description", "in a sentence"),
        ({"destination_ip": "10.0.0.4"}, "destination_ip", "is private"),
        ({"destination_ip": "mine"}, "destination_ip", "is no address"),
        ({"destination_port": "99999"}, "destination_port", "A port is"),
        ({"kind": "phishing"}, "places", "full URL"),
        ({"kind": "spam"}, "sample_headers", "without it"),
        ({"kind": "copyright", "places": "http://192.0.2.7/a", "work": "A book"}, "good_faith", "not valid without"),
    ],
)
def test_each_thing_that_is_wrong_is_named_where_it_is(client, provider, change, field, words):
    page = client.post("/report/", entered(**change) | {"step": "preview"})
    assert page.status_code == 422
    text = page.content.decode()
    assert "What our customer will see</h2>" not in text
    problem = re.search(rf'id="{field}-e"><svg.*?</svg>([^<]*)', text)
    assert problem and re.search(words, problem[1].replace("&#x27;", "'")), text[text.index("<form") :][:200]
    assert f'aria-describedby="{field}-e"' in text or f"{field}-e" in text


def test_all_that_is_wrong_is_said_at_once_also_without_a_kind(client, provider):
    values = entered(kind="", places="not an address", at="yesterday at 3pm", zone="UTC", email="rita@", name="")
    text = client.post("/report/", values | {"step": "preview"}).content.decode()
    for words in ("Choose what comes closest.", "is no address, host or URL", "Write it as", "This is not a whole mail address."):
        assert words in text
    assert "Give your name" not in text, "whether a name is needed depends on the kind"
    assert 'value="yesterday at 3pm"' in text and 'value="rita@"' in text and "not an address" in text, "nothing typed is lost"


def test_whoever_reports_child_abuse_need_not_give_a_name_and_sends_no_media(client, provider, settings):
    bare = {
        "kind": "csam",
        "places": "http://192.0.2.7/placeholder",
        "at": "",
        "zone": "",
        "name": "",
        "email": "",
        "description": "",
    }
    media = "MIME-Version: 1.0\nFrom: a@b.example\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\nAAAA\n"
    refused = client.post("/report/", entered(**bare, paste=media) | {"step": "preview"})
    assert refused.status_code == 422 and "Do not send it to anybody" in refused.content.decode()
    answer = sent(client, **bare, paste="words about it that are a harmless placeholder")
    (path,) = Spool(settings.SPOOL).waiting()
    assert b"harmless placeholder" not in path.read_bytes(), "of a sealed kind only the address is kept"
    work(settings)
    submission = Submission.objects.get()
    assert (submission.state, submission.subject, submission.sender) == ("sealed", "", "")
    page = client.get(answer.url).content.decode()
    assert "trained" in page and "192.0.2.7" not in page


@pytest.mark.parametrize(
    ("name", "kind", "content", "words"),
    [
        ("a.jpg", "image/jpeg", b"\xff\xd8", "Pictures, videos and sounds are not taken"),
        ("a.bin", "application/octet-stream", b"\x00\x01", "This is not a text"),
        ("a.txt", "text/plain", b"a" * (2 << 20) + b"b", "larger than 2 MB"),
    ],
)
def test_files_that_are_refused(client, provider, name, kind, content, words):
    page = client.post("/report/", {"step": "check", "upload": SimpleUploadedFile(name, content, kind)})
    assert page.status_code == 422 and words in page.content.decode()


def test_an_attached_log_is_read(client, provider):
    page = client.post("/report/", {"step": "check", "upload": SimpleUploadedFile("a.log", LOG.encode(), "text/plain")})
    assert b"<b>Ours.</b>" in page.content


def test_a_filled_trap_is_refused_with_a_reason(client, provider, settings):
    page = client.post("/report/", entered(website="http://spam.example") | {"step": "send"})
    assert page.status_code == 400 and "do not see" in page.content.decode()
    assert not settings.SPOOL.exists()


def test_too_many_from_one_network_wait(client, provider, monkeypatch):
    monkeypatch.setitem(limits.LIMITS, "send", 2)
    for _ in range(2):
        assert sent(client).status_code == 302
    assert client.post("/report/", entered() | {"step": "send"}).status_code == 429
    assert client.post("/report/", entered() | {"step": "preview"}, REMOTE_ADDR="198.51.100.77").status_code == 200


def test_a_network_of_ipv6_counts_as_one(rf):
    peers = {
        limits.peer_of(rf.get("/", REMOTE_ADDR=address)) for address in ("2001:db8::1", "2001:db8::ffff:1", "::ffff:192.0.2.1")
    }
    assert peers == {"2001:db8::/64", "192.0.2.1"}


def test_forged_requests_are_refused(provider):
    assert Client(enforce_csrf_checks=True).post("/report/", entered() | {"step": "send"}).status_code == 403


def test_without_a_policy_reports_are_taken_all_the_same(client, db):
    page = client.get("/report/")
    assert page.status_code == 200 and b"Child abuse material" in page.content


@pytest.mark.parametrize("paste", ["\x00\x00", "<script>alert(1)</script>", "{" * 5000, "a." * 50_000, "ü" * 100_000, "From: \n\n"])
def test_nothing_that_is_pasted_breaks_the_page(client, provider, paste):
    page = client.post("/report/", {"step": "check", "paste": paste})
    assert page.status_code in {200, 422}
    assert b"<script" not in page.content


def test_zones_are_real_ones():
    assert "+05:30" in ZONES and "-03:30" in ZONES and "+14:00" in ZONES and "+00:00" not in ZONES


def test_the_document_is_what_its_parser_reads(client, provider, settings):
    sent(client, places=f"{CAROL}:40112\nhttp://192.0.2.9/x", organisation="Reports Ltd")
    (item,) = Spool(settings.SPOOL).read(Spool(settings.SPOOL).waiting())
    content = orjson.loads(item.content)
    assert item.kind == "form" and content["schema"] == "tipstaff-web-form/1"
    assert content["locators"] == [{"ip": CAROL, "port": 40112}, {"ip": "192.0.2.9", "url": "http://192.0.2.9/x"}]
