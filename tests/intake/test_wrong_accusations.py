"""Input from which another address than the accused one could be read: whatever contradicts itself accuses nobody unseen."""

import json

import pytest

from tests.intake.samples import OWN
from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import xarf
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.charsets import TORN, decode, without_nul

NEEDS, REPORT = Disposition.NEEDS_A_PERSON, Disposition.REPORT
TIME = "2026-11-22T08:00:00Z"
LOGIN = (OWN / "parsers" / "xarf" / "login_attack.json").read_text("utf-8")
SOURCE = json.loads(LOGIN)["source_identifier"]
FEEDBACK = """From: loop@example.org
To: abuse@example.net
Subject: complaint
Date: Sun, 22 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

A complaint.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: test/1
Version: 1
{fields}
--b
Content-Type: message/rfc822

{trace}From: seller@example.com
Subject: buy

buy
--b--
"""
BORDER = "Received: from a.example.com (a.example.com [198.51.100.66]) by mx.example.org; Sun, 22 Nov 2026 08:00:02 +0000\n"
OLDER = "Received: from c.example.net (c.example.net [203.0.113.7]) by a.example.com; Sun, 22 Nov 2026 07:00:00 +0000\n"


def read(content: str | bytes, name: str = "", own: tuple[str, ...] = ()) -> ReportDraft:
    raw = content.encode() if isinstance(content, str) else content
    (draft,) = read_submission(raw, Hints(filename=name or None, own_networks=own))
    return draft


def addresses(draft: ReportDraft) -> list[str | None]:
    return [event.ip for event in draft.events]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (f"timestamp,ip\n{TIME},203.0.113.1\x001\n", "a.csv"),
        (f'[{{"timestamp":"{TIME}","ip":"203.0.113.1\\u00001"}}]', "a.json"),
    ],
)
def test_a_torn_address_does_not_grow_together_to_another(content: str, name: str) -> None:
    draft = read(content, name)
    assert draft.disposition is NEEDS and not draft.events
    assert any("no possible address" in warning for warning in draft.warnings)


LETTER = "From: rita@example.org\nTo: abuse@example.net\nSubject: to you\nDate: Sun, 22 Nov 2026 09:00:00 +0000\n\n{}\n"


@pytest.mark.parametrize("torn", ["203.0.113.1\x009", "203.0.113.\x0019", "203.0.113.1\0\x001", "\x002\x0003.0.113.19"])
def test_an_address_in_prose_that_nul_tears_is_neither_its_halves_nor_their_sum(torn: str) -> None:
    draft = read(LETTER.format(f"Your host {torn} attacked our server at {TIME}: failed password for root."))
    assert draft.disposition is NEEDS and addresses(draft) == []
    assert any("torn by NUL" in need for need in draft.needs)
    both = read(LETTER.format(f"Your host {torn} and 203.0.113.7 attacked our server at {TIME}: failed password for root."))
    assert both.disposition is NEEDS and set(addresses(both)) <= {"203.0.113.7"}


@pytest.mark.parametrize(
    "torn", ["exam\x00ple.com", "http://exam\x00ple.com/x", "http://203.0.113.1\x001/x", "ri\x00ta@example.com", "2001:db8::1\x002"]
)
def test_nor_are_names_links_and_mailboxes_put_together(torn: str) -> None:
    draft = read(LETTER.format(f"This phishing page is yours: {torn} since {TIME}"))
    assert draft.disposition is NEEDS and not draft.events


def test_nul_as_padding_and_between_words_loses_no_address_and_no_word() -> None:
    draft = read(
        LETTER.format(f"Your host \x00203.0.113.19\0\0 attacked our ser\x00ver at {TIME}: failed pass\x00word for root, \0")
    )
    assert addresses(draft) == ["203.0.113.19"] and draft.category == "intrusion"
    assert without_nul("no\x00thing, \x00here\0") == "nothing, here"
    assert without_nul("a1\x00b c.\x00d x:\x00y\0") == f"{TORN} {TORN} {TORN}"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_text_in_utf_16_without_its_mark_is_read(codec: str) -> None:
    text = "Grüße: 203.0.113.19 griff uns an.\n"
    assert decode(text.encode(codec), None) == text
    assert decode(b"203.0.113.19" + bytes(500), None) == "203.0.113.19"


def test_a_long_text_with_one_nul_is_read_once_from_end_to_end() -> None:
    text = "a.1" * 1_000_000
    assert without_nul(text + "\0") == text


def test_what_is_padded_with_nul_and_utf_16_without_its_mark_are_read() -> None:
    assert addresses(read(f"timestamp,ip\n{TIME},203.0.113.7\0\0\n", "a.csv")) == ["203.0.113.7"]
    assert addresses(read(f"timestamp,ip\n{TIME},203.0.113.7\n".encode("utf-16-le"), "a.csv")) == ["203.0.113.7"]


def test_two_columns_of_one_name_accuse_only_where_they_agree() -> None:
    rows = ("198.51.100.20,203.0.113.7", "203.0.113.9,203.0.113.9", "203.0.113.8,")
    draft = read("timestamp,ip,ip\n" + "".join(f"{TIME},{row}\n" for row in rows), "a.csv")
    assert addresses(draft) == ["203.0.113.9", "203.0.113.8"]
    assert any("two columns are called ip" in warning and "row 1:" in warning for warning in draft.warnings)


def test_two_columns_of_one_name_in_a_long_table() -> None:
    rows = "".join(f"{TIME},203.0.113.{number % 200},203.0.113.{number % 200},x\n" for number in range(700))
    draft = read(f"timestamp,ip,ip,note\n{rows}{TIME},198.51.100.20,203.0.113.7,x\n", "a.csv")
    assert draft.table is not None and len(draft.table) == 700
    assert "198.51.100.20" not in draft.table["ip"].to_list()


@pytest.mark.parametrize(
    "content",
    [
        f'[{{"timestamp":"{TIME}","ip":"198.51.100.20","ip":"203.0.113.7"}}]',
        f'{{"timestamp":"{TIME}","ip":"203.0.113.7"}}\n{{"timestamp":"{TIME}","ip":"198.51.100.20","\\u0069p":"203.0.113.7"}}',
    ],
)
def test_json_that_says_an_address_twice_goes_to_a_person_who_sees_why(content: str) -> None:
    draft = read(content, "a.json")
    assert draft.disposition is NEEDS and not draft.events
    assert any("'ip' stands twice" in need for need in draft.needs)


def test_objects_with_keys_of_one_name_at_different_depths_are_no_repetition() -> None:
    draft = read(f'[{{"timestamp":"{TIME}","ip":"203.0.113.7","geo":{{"ip":"x"}},"peer":{{"ip":"y"}}}}]', "a.json")
    assert addresses(draft) == ["203.0.113.7"]


def test_xarf_that_says_the_source_twice_is_refused_with_the_field_named() -> None:
    twice = LOGIN.rstrip().removesuffix("}") + ', "source_identifier": "203.0.113.99"}'
    draft = read(twice)
    assert draft.disposition is NEEDS and not draft.events
    assert any("source_identifier: stands twice" in need for need in draft.needs)
    assert [problem.where for problem in xarf.validate(xarf.loads(twice.encode()))] == ["source_identifier"]
    assert xarf.read_document(twice.encode())[0] is None
    assert xarf.validate(xarf.loads(LOGIN.encode())) == []


@pytest.mark.parametrize(
    "again", ['"source_identifier" : "203.0.113.99"', '"source\\u005fidentifier":"203.0.113.99"', '"x":{"y":1, "y" :2}']
)
def test_no_way_of_writing_hides_that_a_key_stands_twice(again: str) -> None:
    document = json.dumps(json.loads(LOGIN)).removesuffix("}") + f", {again}" + "}"
    assert any("stands twice" in problem.what for problem in xarf.validate(xarf.loads(document.encode())))


@pytest.mark.parametrize("text", ['he said "x": y', 'a \\ " : b', '{"type": "x", "type": "y"}'])
def test_a_text_that_looks_like_keys_repeats_none(text: str) -> None:
    document = json.dumps(json.loads(LOGIN) | {"description": text}).encode()
    assert xarf.validate(xarf.loads(document)) == [] and xarf.loads(document) == json.loads(document)


def test_an_older_xarf_that_says_it_twice_below_is_refused_too() -> None:
    v3 = (OWN / "parsers" / "xarf" / "v3_flat.json").read_text("utf-8")
    assert xarf.validate(xarf.loads(v3.encode())) == []
    key = next(name for name in json.loads(v3)["Report"] if name.lower().replace("_", "").startswith("sourceip"))
    twice = v3.replace(f'"{key}"', f'"{key}": "203.0.113.99", "{key}"', 1)
    assert [problem.where for problem in xarf.validate(xarf.loads(twice.encode()))] == [f"Report.{key}"]


def test_a_source_that_is_the_destination_never_acts_by_itself() -> None:
    swapped = json.dumps(json.loads(LOGIN) | {"destination_ip": f"::ffff:{SOURCE}"})
    assert read(swapped).experimental and not read(LOGIN).experimental


@pytest.mark.parametrize("source", ["203.0.113.0/24", "0xcb007107", "3405803783"])
def test_a_source_that_names_nothing_goes_to_a_person(source: str) -> None:
    draft = read(json.dumps(json.loads(LOGIN) | {"source_identifier": source}))
    assert draft.disposition is NEEDS and any(source in need for need in draft.needs)


def test_a_trace_line_that_the_sender_could_write_never_acts_by_itself() -> None:
    mail = FEEDBACK.format(fields="", trace=BORDER + OLDER)
    ours, elsewhere = read(mail, own=("203.0.113.0/24",)), read(mail)
    assert addresses(ours) == ["203.0.113.7"] and ours.experimental and any("made it up" in one for one in ours.warnings)
    assert addresses(elsewhere) == ["198.51.100.66"] and not elsewhere.experimental
    assert not read(FEEDBACK.format(fields="", trace=BORDER), own=("198.51.100.0/24",)).experimental


def test_two_sources_of_one_mail_are_none() -> None:
    draft = read(FEEDBACK.format(fields="Source-IP: 203.0.113.7\nSource-IP: 203.0.113.8", trace=BORDER))
    assert draft.disposition is NEEDS and not draft.events
    once = read(FEEDBACK.format(fields="Source-IP: 203.0.113.7\nSource-IP: ::ffff:203.0.113.7", trace=""))
    assert addresses(once) == ["203.0.113.7"]


def test_a_letter_with_the_headers_of_two_mails_says_which_one_was_not_taken() -> None:
    head = "From: rita@example.org\nTo: abuse@example.net\nSubject: Fwd: spam\nDate: Sun, 22 Nov 2026 09:00:00 +0000\n\nTwo:\n"
    mail = "\n-----Original message-----\n{0}From: seller@example.com\nSubject: buy\n\nbuy\n"
    draft = read(head + mail.format(BORDER) + mail.format(BORDER.replace("198.51.100.66", "198.51.100.67")))
    assert addresses(draft) == ["198.51.100.66"]
    assert any("begins another mail, handed over by 198.51.100.67" in warning for warning in draft.warnings)
    once = read(head + mail.format(BORDER) + mail.format(BORDER))
    assert not any("begins another mail" in warning for warning in once.warnings)


V3 = json.loads((OWN / "parsers" / "xarf" / "v3_flat.json").read_text("utf-8"))
HEAD = "From: rita@example.org\nTo: abuse@example.net\nSubject: {}\nDate: Sun, 22 Nov 2026 09:00:00 +0000\n"
X_ARF = (
    "Reported-From: rita@example.org\nCategory: abuse\nReport-Type: login-attack\nUser-Agent: test\nReport-ID: 1@example.org\n"
    "Date: Sun, 22 Nov 2026 08:00:00 +0000\nSource-Type: ipv4\nService: ssh\n"
)


def v3(**fields: object) -> str:
    report = {key: value for key, value in V3["Report"].items() if not key.lower().startswith("source")}
    return json.dumps(V3 | {"Report": report | fields})


@pytest.mark.parametrize(
    "content",
    [
        v3(SourceIp="203.0.113.7", Source={"IP": "203.0.113.8"}),
        v3(SourceIp="203.0.113.7", sourceIP="203.0.113.8"),
        v3(SourceIp="203.0.113.7", Source={"Value": "203.0.113.8"}),
        v3(Source={"IP": "203.0.113.7", "URL": "http://203.0.113.8/x"}),
        HEAD.format("abuse report") + f"X-XARF: PLAIN\n\n{X_ARF}Source: 203.0.113.7\nSource-IP: 203.0.113.8\n",
        HEAD.format("abuse report") + f"X-XARF: PLAIN\n\n{X_ARF}Source: 203.0.113.7\nSource: 203.0.113.8\n",
        HEAD.format("[fail2ban] sshd: banned 203.0.113.8")
        + "\nThe IP 203.0.113.7 has just been banned by Fail2Ban after 5 attempts against sshd.\n",
    ],
)
def test_what_names_two_sources_is_a_persons_to_decide_with_both_as_candidates(content: str) -> None:
    draft = read(content)
    assert draft.disposition is NEEDS
    assert sorted(str(ip) for ip in addresses(draft)) == ["203.0.113.7", "203.0.113.8"]
    assert any("different addresses as the source" in need and "203.0.113.8 (" in need for need in draft.needs)


def test_what_says_one_source_in_two_ways_is_one_accusation() -> None:
    draft = read(v3(SourceIp="203.0.113.7", Source={"IP": "::ffff:203.0.113.7", "Port": 22}, SourcePort=22))
    assert draft.disposition is REPORT and addresses(draft) == ["203.0.113.7"] and draft.events[0].port == 22
    assert read(v3(SourceIp="203.0.113.7", Source={"Port": 22}, SourcePort=23)).events[0].port is None


def test_an_arf_field_with_two_addresses_or_two_ports_names_neither() -> None:
    both = read(FEEDBACK.format(fields="Source-IP: 203.0.113.7, 203.0.113.8", trace=BORDER))
    assert both.disposition is NEEDS and not both.events
    ports = read(
        FEEDBACK.format(fields="Source-IP: 203.0.113.7 (mail.example.com)\nSource-Port: 4000\nSource-Port: 4001", trace="")
    )
    assert addresses(ports) == ["203.0.113.7"] and ports.events[0].port is None


def test_a_subject_or_a_field_beside_the_standard_that_says_otherwise_never_acts_by_itself() -> None:
    beside = json.dumps(json.loads(LOGIN) | {"source_ip": "203.0.113.99"})
    same = json.dumps(json.loads(LOGIN) | {"source_ip": SOURCE})
    assert read(beside).experimental and any("203.0.113.99" in one for one in read(beside).warnings)
    assert not read(same).experimental
    mail = FEEDBACK.replace("Subject: complaint", "Subject: complaint about message from 203.0.113.66").format(
        fields="", trace=BORDER
    )
    assert read(mail).experimental and not read(mail.replace("203.0.113.66", "198.51.100.66")).experimental


ROWS = [
    ("source,ip", "203.0.113.5,198.51.100.9"), ("src_ip,ip", "203.0.113.5,198.51.100.9"),
    ("attacker_ip,source_ip", "203.0.113.5,198.51.100.9"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "values"), ROWS)
def test_columns_that_name_the_accused_alike_accuse_only_where_they_agree(columns: str, values: str) -> None:
    same = ",".join(["203.0.113.7"] * 2)
    draft = read(f"timestamp,{columns}\n{TIME},{values}\n{TIME},{same}\n", "a.csv")
    assert addresses(draft) == ["203.0.113.7"]
    assert any("row 1: columns" in one and "different addresses" in one for one in draft.warnings)
    rows = [dict(zip(columns.split(","), values.split(","), strict=True)) | {"timestamp": TIME}]
    assert read(json.dumps(rows), "a.json").disposition is NEEDS


@pytest.mark.parametrize("columns", ["src_ip,server_ip", "src_ip,dst_ip", "ipv4,ipv6", "ip,source"])
def test_columns_of_the_other_side_of_both_families_and_of_words_contradict_nothing(columns: str) -> None:
    other = {"ipv4,ipv6": "2001:db8::1", "ip,source": "honeypot-3"}.get(columns, "198.51.100.9")
    assert addresses(read(f"timestamp,{columns}\n{TIME},203.0.113.7,{other}\n", "a.csv")) == ["203.0.113.7"]
