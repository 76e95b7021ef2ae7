"""Each place where an address stands in a letter must be explained, else nobody is accused."""

import pytest

from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

A, B = "203.0.113.21", "203.0.113.12"


def read(body: str, *, subject: str = "attack on our server", headers: str = "") -> ReportDraft:
    head = f"From: rita@reporter.example\nTo: abuse@isp.example\nSubject: {subject}\n{headers}"
    mail = f"{head}Content-Type: text/plain; charset=utf-8\n\n{body}\n"
    return read_submission(mail.encode(), Hints())[0]


def accused(body: str, **more: str) -> list[str | None]:
    draft = read(body, **more)
    return [event.ip for event in draft.events] if draft.disposition is Disposition.REPORT else []


LOG = "2026-11-18T05:58:01Z ftp1 sshd[81]: Failed password for root from {} port 40112\n" * 3


def test_the_number_of_the_subject_and_that_of_the_log_must_be_the_same():
    says = f"Hello,\n\n{A} has been attacking our servers.\n\n{{}}\nPlease take action."
    assert accused(says.format(LOG.replace("{}", A)), subject=f"SSH abuse from {A}") == [A]
    assert accused(says.format(LOG.replace("{}", B)), subject=f"SSH abuse from {A}") == []


@pytest.mark.parametrize(
    "says",
    [
        "{} is attacking {} with 3 Gbit/s.",
        "{} greift seit heute früh {} an.",
        "{} attaque {} depuis ce matin.",
        "{} está atacando a {} desde ayer.",
        "{} sta attaccando {} da ieri.",
        "{} valt {} aan sinds gisteren.",
        "{} atakuje {} od wczoraj.",
        "{} está atacando {} desde ontem.",
        "{} атакует {} со вчерашнего дня.",
        "{} 正在攻击 {}，流量很大。",
        "{} が {} を攻撃しています。",
    ],
)
def test_roles_swapped_swap_the_accusation_or_leave_it_to_a_person(says):
    straight, swapped = accused(says.format(A, B)), accused(says.format(B, A))
    assert straight in ([A], []) and swapped in ([B], [])
    assert (straight == [A]) == (swapped == [B])
    both = f"{says.format(A, B)}\nCorrection: {says.format(B, A)}\n"
    assert accused(both) == []


@pytest.mark.parametrize(
    "remark",
    [
        "<-- me, at home",
        "(that was me)",
        "own test",
        "Test durch Inhaberin",
        "(c'est moi)",
        "soy yo",
        "własny test",
        "это я",
        "本人登录",
    ],
)
def test_a_row_that_is_the_writers_own_is_not_accused(remark):
    rows = [f"2026-11-20 22:0{minute}:41 | {A} | blocked" for minute in range(3)]
    table = "\n".join(["Time | Source IP | Remark", *rows, f"2026-11-20 22:07:30 | {B} | {remark}"])
    assert B not in accused(f"Password guessing on our site, please stop it.\n\n{table}\n")
    plain = "\n".join([*rows, f"2026-11-20 22:07:30 | {B} | {remark}"])
    assert B not in accused(f"Password guessing on our site, please stop it.\n\n{plain}\n")


def test_a_row_that_was_let_in_among_others_that_were_not_is_not_accused():
    rows = f"Date | Source IP | Result\n2026-11-20 22:03:41 | {A} | locked\n2026-11-20 22:07:30 | {B} | {{}}\n"
    assert accused(f"Brute force against our site:\n\n{rows.format('locked')}\nPlease stop.") == [A, B]
    assert accused(f"Brute force against our site:\n\n{rows.format('ok')}\nPlease stop.") == [A]


@pytest.mark.parametrize(
    "says",
    [
        f"Your customer scans our network 203.0.113.16/28, above all the host {A}. Please stop it.",
        f"Ihr Kunde scannt unser Netz 203.0.113.0/24, vor allem den Host {A}. Bitte abstellen.",
        f"Votre client scanne notre réseau 203.0.113.0/24, surtout l'hôte {A}. Merci de l'arrêter.",
    ],
)
def test_an_address_inside_the_writers_network_is_not_accused(says):
    assert accused(says, subject="port scan") == []


def test_what_stands_in_the_new_headers_counts_more_than_the_subject_of_an_old_ticket():
    body = (
        f"Thanks for {A}, but the same spammer now writes from another server of yours:\n\n"
        f"Received: from {B} (EHLO bulk.example.net) ({B})\n"
        "  by mx.reporter.example (192.0.2.6) with SMTP; Fri, 20 Nov 2026 10:14:51 +0100\n"
        'From: "Help" <help@bulk.example.net>\n\nPlease act on this one as well.\n'
    )
    assert A not in accused(body, subject=f"Re: [Ticket 377] spam from {A}")


def test_an_address_beside_the_accused_one_must_be_explained():
    says = f"Hi, {A} is brute forcing our mail server since noon. Please stop it. {{}}"
    assert accused(says.format(f"We are at {B}.")) == [A]
    assert accused(says.format(f"Our resolver is {B}.")) == [A]
    assert accused(says.format(f"Overview:\n\n  {A}   clean\n  {B}   clean\n")) == []


def test_what_shows_that_it_does_not_agree_is_left_to_a_person():
    says = f"Our scanner says that {A} is infected with a bot, the overview names {B}. One of our two sources is wrong."
    assert accused(says) == []


@pytest.mark.parametrize(
    "says",
    [
        "{b} does not belong to you, we wrote to its provider.",
        "{b} gehört nicht Ihnen.",
        "{b} n'est pas à vous.",
        "{b} принадлежит не вам.",
        "{b} 不是你们的。",
    ],
)
def test_what_is_said_to_be_anothers_is_not_accused(says):
    body = f"{A} is brute forcing our mail server. Please stop it.\n\nBefore it came from {says.format(b=B)}"
    assert accused(body) in ([A], []) and accused(body.replace(A, "x").replace(B, A).replace("x", B)) in ([B], [])


@pytest.mark.parametrize(
    "says",
    [
        "We always connect from {b}.",
        "Wir verbinden uns immer von {b}.",
        "Nous nous connectons depuis {b}.",
        "Nosotros nos conectamos desde {b}.",
        "Ci colleghiamo da {b}.",
        "Ja zawsze loguję się z {b}.",
        "Postings from {b} are genuine guests.",
        "Beiträge von {b} sind dagegen echte Gäste.",
        "Il gestionale risponde su {b}.",
    ],
)
def test_where_the_writer_or_an_honest_user_comes_from_is_not_accused(says):
    body = f"Somebody broke into our account from {A} and changed the password. {says.format(b=B)} Please look into it."
    assert accused(body, subject="break-in") in ([A], [])


def test_a_row_that_was_accepted_among_refused_ones_is_not_accused():
    rows = [f"20/11/2026 03:04:0{second} ; {A} ; utilisateur=admin ; refusé" for second in range(3)]
    table = "\n".join([*rows, f"20/11/2026 08:30:00 ; {B} ; utilisateur=claire ; accepté"])
    assert accused(f"Tentatives de force brute, merci de faire cesser :\n\n{table}\n") in ([A], [])


@pytest.mark.parametrize("says", ["Sorry, typo,", "Correction:", "Korrektur:", "Erratum :", "更正："])
def test_who_corrects_the_number_is_asked(says):
    body = f"{A} scanned our network on 19 Nov. {says} the source was {B}. Logs on request."
    assert accused(body, subject="scanning") == []


@pytest.mark.parametrize(
    "says",
    [
        "Your machine {} attacks our server {}.",
        "Ihr Server {} greift unseren Server {} an.",
        "Votre serveur {} attaque notre serveur {}.",
        "Su servidor {} ataca nuestro servidor {}.",
        "Ваш сервер {} атакует наш сервер {}.",
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        "2026-11-18T05:58:01Z Failed password for root from {} to {} port 22\n",
        "2026-11-18T05:58:01Z kernel: DROP IN=eth0 SRC={} DST={} PROTO=TCP SPT=40112 DPT=22\n",
    ],
)
def test_a_log_of_attacks_the_other_way_round_accuses_nobody(says, line):
    letter = f"Hello,\n\n{says.format(A, B)}\n\n{{}}\nPlease stop this.\n"
    assert accused(letter.format(line.format(A, B) * 3)) == [A]
    assert accused(letter.format(line.format(B, A) * 3)) == []


@pytest.mark.parametrize(
    "says",
    [
        "Somebody copied my entire website and put it online with you. That is theft of intellectual property! Take it down.",
        "Jemand hat unsere Homepage kopiert und bei Ihnen ins Netz gestellt. Das ist Diebstahl geistigen Eigentums!",
        "Quelqu'un a copié mon site et l'a mis chez vous. C'est un vol de propriété intellectuelle.",
        "Alguien ha copiado nuestra web y la tiene con ustedes. Es un robo de propiedad intelectual.",
        "Кто-то скопировал мой сайт и держит его у вас. Это кража интеллектуальной собственности.",
    ],
)
def test_a_complaint_that_names_no_place_is_seen_by_a_person(says):
    assert read(says, subject="Stolen").disposition is Disposition.NEEDS_A_PERSON
