"""Rules of the reading of prose, each beside the letter that looks alike and must not be read so."""

import pytest

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.prose_times import find_said, stated_zone


def read(body: str, *, subject: str) -> ReportDraft:
    headers = f"From: rita@reporter.example\nTo: abuse@isp.example\nSubject: {subject}\nDate: Thu, 19 Nov 2026 12:00:00 +0000\n"
    return read_submission(f"{headers}Content-Type: text/plain; charset=utf-8\n\n{body}\n".encode(), Hints())[0]


def accused(draft: ReportDraft) -> set[str]:
    events = draft.events if draft.disposition is Disposition.REPORT else []
    return {event.ip or event.url or event.domain for event in events}


@pytest.mark.parametrize(
    "body",
    [
        "A phishing page imitates the login of our members and asks for their passwords:\n\n  hxxps://login-club[.]example[.]net/a",
        "钓鱼网站假冒我们的会员登录页面：hxxps://login-club[.]example[.]net/a，请关闭。",
    ],
)
def test_a_defanged_link_behind_a_colon_did_what_is_told(body):
    assert accused(read(body, subject="phishing")) == {"https://login-club.example.net/a"}


@pytest.mark.parametrize(
    "body",
    [
        "A phishing mail imitates hxxps://club[.]example[.]net/login, please look into it.",
        "Somebody phishes our members. Our official site is only this one here: hxxps://club[.]example[.]net/login",
    ],
)
def test_a_defanged_link_to_what_is_imitated_is_not_accused(body):
    assert accused(read(body, subject="phishing")) == set()


def test_what_is_always_the_same_is_accused():
    body = "Our contact form gets filled with spam every night. We log the visitor; it's always 203.0.113.6."
    assert accused(read(body, subject="contact form spam")) == {"203.0.113.6"}


def test_what_is_always_struck_is_not_accused():
    body = "Spam bots hammer us every night and it's always our server 203.0.113.6 that is attacked."
    assert accused(read(body, subject="spam bots")) == set()


def test_came_from_is_no_machine_of_the_writers():
    body = (
        "Ontem entraram no painel da nossa loja a partir do IP 203.0.113.6 e apagaram tudo. Invasão! Por favor tomem providências."
    )
    assert accused(read(body, subject="Invasão")) == {"203.0.113.6"}
    own = "Invasão! O painel da nossa loja no IP 203.0.113.6 foi atacado. Por favor tomem providências."
    assert accused(read(own, subject="Invasão")) == set()


def test_a_header_that_was_received_strikes_nobody():
    assert accused(read("This spam came from 203.0.113.6 (per Received header).", subject="spam")) == {"203.0.113.6"}


def test_an_open_resolver_is_what_the_subject_names():
    draft = read("Beste collega's, 203.0.113.6 beantwoordde recursieve DNS-vragen van buiten.", subject="Open resolver 203.0.113.6")
    assert accused(draft) == {"203.0.113.6"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-07T19:02:00-05:00", "2026-11-08T00:02:00+00:00"),
        ("2026-11-07 19:02:00 -05:00", "2026-11-08T00:02:00+00:00"),
        ("2026-11-07 19:02-20:00 UTC", "2026-11-07T19:02:00+00:00"),
        ("20 November 2026 between 18:31 and 18:58 UTC", "2026-11-20T18:31:00+00:00"),
        ("17.11.2026 o 22:10 UTC", "2026-11-17T22:10:00+00:00"),
        ("12/11/2026 de 00 h 30 à 01 h 15 UTC", "2026-11-12T00:30:00+00:00"),
    ],
)
def test_spans_and_offsets_are_told_apart(written, meant):
    (said,) = find_said(f"It happened {written}.", language="fr" if "/" in written else "pl")
    assert said.moment.at is not None and said.moment.at.isoformat() == meant


def test_a_span_without_a_zone_has_none():
    (said,) = find_said("It happened on 2026-11-07 19:02-20:00.", language="en")
    assert said.moment.at is None


def test_an_abbreviation_is_as_the_writer_spells_it_out():
    assert stated_zone("Nov 18 2026 01:12 (Lagos, WAT = UTC+1): host 203.0.113.6") == "+0100"
    assert stated_zone("All local times are US Eastern (EDT, UTC-4).") != "UTC"
