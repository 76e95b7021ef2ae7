"""What people write: wide digits, dotted leaders, torn links, either kind of Chinese, ordinals, zones in words."""

import pytest

from tipstaff.intake.drafts import Disposition, EventDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.phrases import PhraseIndex, fold


def events(body: str, subject: str = "attack on our server") -> list[EventDraft]:
    head = f"From: rita@reporter.example\nTo: abuse@isp.example\nSubject: {subject}\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n"
    draft = read_submission(f"{head}Content-Type: text/plain; charset=utf-8\n\n{body}\n".encode(), Hints())[0]
    return draft.events if draft.disposition is Disposition.REPORT else []


def test_wide_digits_are_digits():
    body = (
        "貴社のアドレス ２０３．０．１１３．２１ から弊社サーバへのパスワード総当たり攻撃が続いています。ご対応をお願いいたします。"
    )
    assert [one.ip for one in events(body, "不正アクセス")] == ["203.0.113.21"]


def test_a_dotted_leader_is_a_colon():
    rows = "  Attacker IP ......... 203.0.113.21\n  Target IP ......: 198.51.100.7\n"
    body = f"Brute force on our mail server, please stop it.\n\n{rows}"
    assert [one.ip for one in events(body)] == ["203.0.113.21"]


def test_a_torn_link_is_a_link_and_the_next_sentence_is_not_part_of_it():
    body = "Phishing page of our bank, please take it down: https: // bank-login . example . net / pay?id=7"
    assert [one.url for one in events(body, "phishing")] == ["https://bank-login.example.net/pay?id=7"]
    plain = "Phishing page of our bank: hxxp://bank-login.example.net. Please take it down, see also http:// for nothing."
    assert [one.url for one in events(plain, "phishing")] == ["http://bank-login.example.net"]


def test_traditional_characters_are_found_by_phrases_in_simplified_ones_and_the_other_way_round():
    assert fold("惡意掃描") == fold("恶意扫描")
    assert PhraseIndex([("恶意扫描", 1)]).find("貴公司主機惡意掃描本站")
    assert PhraseIndex([("惡意掃描", 1)]).find("贵公司主机恶意扫描本站")


@pytest.mark.parametrize(
    "says",
    [
        "The second address is mine.",
        "Die zweite Adresse ist meine.",
        "La deuxième adresse est la mienne.",
        "De tweede is van mij.",
        "Второй адрес мой.",
        "第二个地址是我的。",
        "The first address is yours.",
        "Pierwszy numer jest wasz.",
    ],
)
def test_ordinals_tell_whose_an_address_is(says):
    body = f"Password guessing against our mail server, please stop it:\n\nline 203.0.113.21\nline 198.51.100.7\n\n{says}\n"
    assert [one.ip for one in events(body)] in (["203.0.113.21"], [])
    other = body.replace("203.0.113.21", "x").replace("198.51.100.7", "203.0.113.21").replace("x", "198.51.100.7")
    assert [one.ip for one in events(other)] in (["198.51.100.7"], [])


@pytest.mark.parametrize(
    ("says", "at"),
    [
        ("15 novembre 2026, 21:48:30 TU", "2026-11-15T21:48:30"),
        ("Thursday 19th of November 2026 at 08:14:22 PM (Europe/London)", "2026-11-19T20:14:22"),
        ("19/11, 03:00 da manhã no horário de Brasília", "2026-11-19T06:00:00"),
        ("00h15 de hoje (horário de Brasília)", "2026-11-20T03:15:00"),
        ("19/11/2026 05.33.10 ora (italiana)", "2026-11-19T04:33:10"),
    ],
)
def test_zones_in_words(says, at):
    found = events(f"Brute force from 203.0.113.21 against our server since {says}. Please stop it.")
    assert [one.ip for one in found] == ["203.0.113.21"]
    assert found[0].occurred_at is not None and found[0].occurred_at.isoformat() == f"{at}+00:00"


def test_months_of_other_languages_and_seconds_since_1970_begin_log_lines():
    polish = "lis 19 18:22:40 ul sshd[10233]: Failed password for invalid user admin from 203.0.113.21 port 45510 ssh2"
    found = events(f"Brute force, czas CET:\n\n{polish}\n{polish.replace('40 ul', '46 ul')}\n\nPlease stop.")
    assert found and found[0].occurred_at is not None and found[0].occurred_at.isoformat() == "2026-11-19T17:22:40+00:00"
    line = "1795130400 dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<a>, rip=203.0.113.21, lip=198.51.100.7"
    found = events(f"Brute force, please stop:\n\n{line}\n{line}\n")
    assert found and found[0].occurred_at is not None and found[0].occurred_at.isoformat() == "2026-11-19T23:20:00+00:00"
