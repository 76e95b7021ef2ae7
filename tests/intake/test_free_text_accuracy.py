"""How well letters in prose are read: counts per half and language; a wrong accused address is never acceptable."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

HACKING = """From: rita@corp.example
Subject: hacking

There was hacking today, the addresses are 198.51.100.5 / 203.0.113.6. Please investigate.
"""
INTRUSION = """From: rita@corp.example
Subject: intrusion attempt

On 2026-11-12 at 14:03:22 the host 192.0.2.62 tried to break into our mail server.
"""
CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "free_text"
HALVES = (
    "known",
    "held_out",
    "rounds",
    "letters",
    "average",
    "everyday",
    "weekday",
    "workday",
    "newsday",
    "forty",
    "plainday",
    "ordinary",
)
MOST_UNDECIDED = {
    "known": 0.10,
    "held_out": 0.10,
    "rounds": 0.16,
    "letters": 0.26,
    "average": 0.11,
    "everyday": 0.12,
    "weekday": 0.04,
    "workday": 0.05,
    "newsday": 0.13,
    "forty": 0.16,
    "plainday": 0.05,
    "ordinary": 0.0,
}  # of decidable
MOST_WRONG_DETAILS = {
    "known": 0.0,
    "held_out": 0.10,
    "rounds": 0.30,
    "letters": 0.34,
    "average": 0.20,
    "everyday": 0.13,
    "weekday": 0.17,
    "workday": 0.07,
    "newsday": 0.20,
    "forty": 0.10,
    "plainday": 0.0,
    "ordinary": 0.0,
}  # of decided letters: time, port, link or category


def labels(half: str) -> dict[str, dict]:
    return json.loads((CORPUS / half / "labels.json").read_text("utf-8"))


def read(half: str, name: str) -> ReportDraft:
    drafts = read_submission((CORPUS / half / name).read_bytes(), Hints(filename=name))
    assert len(drafts) == 1, f"{name}: {len(drafts)} reports"
    return drafts[0]


def wrong_addresses(label: dict, draft: ReportDraft) -> set[str]:
    """Addresses that a report accuses although the letter does not."""
    if draft.disposition is not Disposition.REPORT:
        return set()
    accused = {event.ip for event in draft.events if event.ip}
    return accused - set(label["accused"])


def wrong_details(label: dict, draft: ReportDraft) -> list[str]:
    problems = []
    accused = {event.ip for event in draft.events if event.ip}
    if accused != set(label["accused"]):
        problems.append(f"accused {sorted(accused)}, not {label['accused']}")
    if label.get("category") and draft.category not in label["category"]:
        problems.append(f"category {draft.category}, not {label['category']}")
    first = {}
    for event in draft.events:
        first.setdefault(event.ip, event)
    if label.get("times") == {} and any(event.occurred_at for event in draft.events):
        problems.append("a time where none can be known")
    for ip, time in (label.get("times") or {}).items():
        at = first[ip].occurred_at if ip in first else None
        if at is None or at.strftime("%Y-%m-%dT%H:%M:%SZ") not in ([time] if isinstance(time, str) else time):
            problems.append(f"{ip} at {at}, not {time}")
    for ip, port in label.get("ports", {}).items():
        if ip not in first or first[ip].port not in (port if isinstance(port, list) else [port]):
            problems.append(f"{ip} port {first[ip].port if ip in first else None}, not {port}")
    urls = {event.url for event in draft.events if event.url}
    if "urls" in label and urls != set(label["urls"]):
        problems.append(f"links {sorted(urls)}, not {label['urls']}")
    return problems


@pytest.mark.parametrize("half", HALVES)
def test_letters_are_read_right(half, capsys):
    counts, languages, notes = Counter(), {}, []
    for name, label in labels(half).items():
        draft = read(half, name)
        tally = languages.setdefault(label["language"], Counter())
        wrong = wrong_addresses(label, draft)
        decidable = label.get("decidable", label["disposition"] == ["report"])
        counts["letters"] += 1
        for kind, holds in {
            "decidable": decidable,
            "decided": decidable and draft.disposition is Disposition.REPORT,
            "to a person": decidable and draft.disposition is not Disposition.REPORT,
            "wrong address": bool(wrong),
            "wrongly a report": str(draft.disposition) == "report" and "report" not in label["disposition"],
        }.items():
            counts[kind] += holds
            tally[kind] += holds
        details = (
            wrong_details(label, draft) if draft.disposition is Disposition.REPORT and "report" in label["disposition"] else []
        )
        counts["wrong detail"] += bool(details)
        if details or wrong or str(draft.disposition) not in label["disposition"]:
            notes.append(f"  {name}: {draft.disposition} {draft.needs or ''} {'; '.join(details)} {sorted(wrong) or ''}")
    with capsys.disabled():
        print(f"\n{half}: {dict(counts)}")
        for language, tally in sorted(languages.items()):
            print(f"  {language}: {tally['decided']} of {tally['decidable']} decided, {tally['wrong address']} wrong")
        print("\n".join(notes))
    assert counts["wrong address"] == 0
    assert counts["wrongly a report"] == 0
    assert counts["to a person"] <= MOST_UNDECIDED[half] * counts["decidable"]
    assert counts["wrong detail"] <= MOST_WRONG_DETAILS[half] * counts["decided"]


def test_the_letters_cover_what_they_should():
    both = {**labels("known"), **labels("held_out")}
    assert len(both) >= 120
    assert {label["language"] for label in both.values()} == {"en", "de", "fr", "es", "it", "nl", "pl", "pt", "ru", "zh", "ja"}
    assert len({category for label in both.values() for category in label.get("category", ())}) >= 20


@pytest.mark.parametrize("half", HALVES)
def test_named_but_not_accused_stays_so(half):
    for name, label in labels(half).items():
        draft = read(half, name)
        if draft.disposition is Disposition.REPORT:
            assert not {event.ip for event in draft.events} & set(label.get("must_not", ())), name
            assert all(event.found_in.get("ip") for event in draft.events if event.ip), name
            assert all(event.found_in.get("occurred_at") for event in draft.events if event.occurred_at), name


@pytest.mark.parametrize("half", HALVES)
def test_a_draft_for_a_person_says_why(half):
    for name in labels(half):
        draft = read(half, name)
        if draft.disposition is Disposition.NEEDS_A_PERSON:
            assert draft.needs, name


def test_our_networks_tell_the_accused():
    letter = HACKING.encode()
    alone = read_submission(letter, Hints())[0]
    assert alone.disposition is Disposition.NEEDS_A_PERSON and "203.0.113.6" in alone.needs[0]
    known = read_submission(letter, Hints(own_networks=("203.0.113.0/24",)))[0]
    assert known.disposition is Disposition.REPORT
    assert [event.ip for event in known.events] == ["203.0.113.6"]


def test_an_address_outside_our_networks_is_not_accused_while_one_inside_is_named():
    letter = (
        b"From: rita@corp.example\nSubject: attack\n\nYour customer 203.0.113.6 attacks our server 198.51.100.5 (brute force).\n"
    )
    assert [event.ip for event in read_submission(letter, Hints())[0].events] == ["203.0.113.6"]
    draft = read_submission(letter, Hints(own_networks=("198.51.100.0/24",)))[0]
    assert draft.disposition is Disposition.NEEDS_A_PERSON and "outside our networks" in draft.needs[0]


def test_the_usual_zone_of_a_source_is_used_and_said():
    letter = INTRUSION.encode()
    draft = read_submission(letter, Hints(zone="Europe/Berlin"))[0]
    assert draft.events[0].occurred_at.isoformat() == "2026-11-12T13:03:22+00:00"
    bare = read_submission(letter, Hints())[0].events[0]
    assert bare.occurred_at is None and bare.earliest < bare.latest and bare.time_as_written == "2026-11-12 at 14:03:22"


STRANGE_WORDS = b"""From: gwen@pottery.example
Subject: a strange visitor

Something odd at 203.0.113.6 keeps me awake.
"""


def test_a_letter_that_names_an_address_of_ours_is_not_set_aside_unseen():
    unknown = read_submission(STRANGE_WORDS, Hints())[0]
    assert unknown.disposition is Disposition.NEEDS_A_PERSON and "203.0.113.6" in unknown.needs[0]
    known = read_submission(STRANGE_WORDS, Hints(own_networks=("203.0.113.0/24",)))[0]
    assert known.disposition is Disposition.NEEDS_A_PERSON and "203.0.113.6, which is ours" in known.needs[0]
    elsewhere = read_submission(STRANGE_WORDS, Hints(own_networks=("198.51.100.0/24",)))[0]
    assert elsewhere.disposition is Disposition.NOT_A_REPORT


ANSWER = """From: rita@corp.example
Subject: Re: [NET-4711] Abuse from 192.0.2.7
In-Reply-To: <a1@desk.example>

{says}

192.0.2.7 - - [18/Nov/2026:19:31:02 +0000] "POST /xmlrpc.php HTTP/1.1" 403 199
192.0.2.7 - - [18/Nov/2026:19:31:40 +0000] "POST /xmlrpc.php HTTP/1.1" 403 199
"""


@pytest.mark.parametrize(
    ("says", "disposition"),
    [
        ("It is still ongoing.", Disposition.REPORT),
        ("Die Angriffe sind wieder da.", Disposition.REPORT),
        ("These are the lines that you asked for.", Disposition.NEEDS_A_PERSON),
    ],
)
def test_an_answer_that_shows_that_it_goes_on_is_a_report(says, disposition):
    assert read_submission(ANSWER.format(says=says).encode(), Hints())[0].disposition is disposition


DIGEST = """From: sensors@grid.example
Subject: hostile hosts of the week
List-Id: <reports.grid.example>

Hosts that attacked our customers. All times UTC.

Victim | Port | Attacker | Last event
198.51.100.8 | 1433 | 203.0.113.49 | 2026-11-15 22:10:01
192.0.2.99 | 3389 | 203.0.113.50 | 2026-11-13 04:44:19
"""


def test_an_automatic_report_may_come_with_the_headers_of_a_mailing():
    draft = read_submission(DIGEST.encode(), Hints())[0]
    assert draft.disposition is Disposition.REPORT
    assert {event.ip for event in draft.events} == {"203.0.113.49", "203.0.113.50"}
    news = DIGEST.split("Victim |")[0].replace("attacked our customers", "attack customers all over the world: our newsletter")
    assert read_submission(news.encode(), Hints())[0].disposition is Disposition.NOT_A_REPORT
