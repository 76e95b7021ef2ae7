"""Who is meant when everybody else's part is told: bystanders, the writer's own, the other side; and when a person must say."""

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.indicators import find_addresses
from tipstaff.intake.reading.prose_times import find_today
from tipstaff.intake.reading.times import read_time

MAIL = "From: Rita <rita@reporter.example>\nDate: Sat, 21 Nov 2026 09:00:00 +0000\nSubject: {subject}\n\n{body}\n"
SMTP_LINES = """"SMTPD" "2026-11-20 08:41:33" "203.0.113.9" "RECEIVED: MAIL FROM"
"SMTPD" "2026-11-20 08:41:34" "203.0.113.9" "RECEIVED: RCPT TO"
"""
OWN_SITE = """Our web site was defaced and nobody knows by whom.
The site is www.reporter.example and its address is 203.0.113.9."""
BROKEN = """Ladies and gentlemen, the brute force attack on our shop is coming from your
server 203.0.113.9 since this morning. Please stop it."""


def read(subject: str, body: str):
    draft = read_submission(MAIL.format(subject=subject, body=body).encode(), Hints())[0]
    return draft.disposition, {event.ip for event in draft.events if event.ip}


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("ddos", "Our game server 198.51.100.5 is hit by a UDP flood. Packets reach us through 203.0.113.9 all night."),
        ("Angriff", "Loginversuche auf unser Postfach, seit heute früh kommen sie von euch:\n\n - 203.0.113.9\n"),
        ("attaque", "Notre boutique est tombée hier soir sous des milliers de requêtes par seconde depuis 203.0.113.9."),
        ("nasty mails", "I get threatening messages. The number of the sender is shown as 203 dot 0 dot 113 dot 9"),
        ("bots", "Un bot con IP 203[punto]0[punto]113[punto]9 nos deja reservas falsas cada noche."),
        ("spam", "It goes on:\n\n" + SMTP_LINES),
    ],
)  # fmt: skip
def test_what_is_left_is_accused(subject, body):
    assert read(subject, body) == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("hacked", OWN_SITE),
        ("spam", "Bounces of spam come from innocent bystanders such as 203.0.113.9, so please leave it be."),
        ("Angriff", "Wir haben einen Angriff gesehen. 203.0.113.9 ist nicht der Angreifer."),
        ("spam", "The spam itself came from 203.0.113.9, which is another provider whom we have told."),
        ("botnet", "Infizierte Systeme melden sich hier. Das Sinkhole hat die Adresse 203.0.113.9, Port 80/tcp."),
        ("ataque", "Hubo un ataque. 203.0.113.9 no tiene nada que ver con esto."),
    ],
)  # fmt: skip
def test_who_is_taken_out_or_suffers_is_not_accused(subject, body):
    disposition, accused = read(subject, body)
    assert disposition is not Disposition.REPORT
    assert accused == set()


def test_a_sentence_is_read_across_the_line_where_it_was_broken():
    assert read("brute force", BROKEN) == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize("word", ["dot", "punkt", "punto", "point", "ponto", "kropka", "точка", "点", "ドット"])
def test_dots_are_read_as_each_language_writes_them(word):
    assert [found.value for found in find_addresses(f"IP 203[{word}]0[{word}]113[{word}]9 !")] == ["203.0.113.9"]


def test_numbers_in_a_sentence_of_another_script_are_no_address():
    assert [found.value for found in find_addresses("203.0.113.9 正在对我方 198.51.100.7 攻击")] == ["203.0.113.9", "198.51.100.7"]


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("yesterday at 23:37 UTC", "2026-11-20T23:37:00+00:00"),
        ("gestern Abend 23:37 MEZ", "2026-11-20T22:37:00+00:00"),
        ("last night at 02:33 UTC", "2026-11-21T02:33:00+00:00"),
        ("le 20 novembre à 22h10 (heure de paris)", "2026-11-20T21:10:00+00:00"),
        ("on 24 December at 10:00 UTC", "2025-12-24T10:00:00+00:00"),
        ("11月20日 22:10 北京时间", "2026-11-20T14:10:00+00:00"),
    ],
)
def test_days_are_told_from_that_of_the_mail(words, at):
    reference = read_time("2026-11-21 09:00:00 UTC").at
    assert find_today(words, zone=None, reference=reference).moment.at.isoformat() == at


TABLE = """Systeme aus Ihrem Netz haben unser Sinkhole kontaktiert:

Zeit (UTC)            IP-Adresse        Quellport
2026-11-21 05:14:26   203.0.113.9       49233
2026-11-21 05:15:26   203.0.113.9       49234

Unser Sinkhole mit der Adresse 198.51.100.3 wartet auf Port 80.
"""


def test_a_sentence_below_a_table_is_no_row_of_it():
    assert read("Infizierte Systeme", TABLE) == (Disposition.REPORT, {"203.0.113.9"})


def test_words_inside_a_link_say_nothing_of_the_letter():
    body = "Compré una bicicleta en https://bicis.example/oferta y nunca llegó: es una estafa. Está en sus servidores."
    assert read("Tienda falsa, me estafaron", body)[0] is not Disposition.NOT_A_REPORT


def test_who_cannot_leave_a_mailing_list_complains_of_spam():
    body = "На почту приходит реклама займов с сервера 203.0.113.9. Отписаться невозможно. Остановите рассылку."
    assert read("Спам с вашего сервера", body)[0] is not Disposition.NOT_A_REPORT
