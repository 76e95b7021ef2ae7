"""What a letter says of an earlier matter, of its own customer's machine, and of bystanders accuses nobody."""

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

LETTER = """From: Rita <rita@reporter.example>
To: abuse@isp.example
Subject: {subject}
Date: Sun, 22 Nov 2026 09:00:00 +0000
Message-ID: <s1@reporter.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

{body}
"""


def accused(body: str, subject: str = "brute force") -> tuple[Disposition, set[str]]:
    draft = read_submission(LETTER.format(subject=subject, body=body).encode(), Hints())[0]
    return draft.disposition, {event.ip for event in draft.events if event.ip}


@pytest.mark.parametrize(
    "body",
    [
        "Thank you for your work on 203.0.113.4, it is quiet. Now 203.0.113.9 is trying passwords on our mail server.",
        "Danke für die schnelle Hilfe bei 203.0.113.4. Seit heute versucht 203.0.113.9 per SSH Passwörter, Brute Force.",
        "Merci pour votre intervention sur 203.0.113.4. Maintenant 203.0.113.9 essaie des mots de passe sur notre serveur SSH.",
        "Last week you disabled 203.0.113.4. Today 203.0.113.9 has been brute forcing our SSH server all day.",
    ],
)
def test_who_was_dealt_with_is_not_accused_again(body: str) -> None:
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


def test_whom_another_provider_dealt_with_is_not_accused() -> None:
    body = "203.0.113.9 is brute forcing our SSH server. On Monday it was 203.0.113.4, but that provider acted at once."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


def test_what_the_writer_uses_is_not_accused() -> None:
    body = "Phishing: the fake page is at http://203.0.113.9/pay.php, please remove it.\n\nWe use 203.0.113.7 as a resolver."
    assert "203.0.113.7" not in accused(body)[1]


def test_thanks_for_what_is_asked_for_settle_nothing() -> None:
    body = "203.0.113.4 and 203.0.113.9 are brute forcing our SSH server. Thanks for blocking 203.0.113.4 first."
    assert "203.0.113.4" in accused(body)[1] or accused(body)[0] is Disposition.NEEDS_A_PERSON


@pytest.mark.parametrize(
    "body",
    [
        "I rent 203.0.113.4 from you and it was knocked offline by a DDoS every night. Who does this?",
        "Ik huur bij jullie 203.0.113.4 en word iedere avond platgelegd door een ddos.",
        "Il mio sito sul vostro server 203.0.113.4 è stato violato, aiuto.",
        "Mein Server 203.0.113.4 bei euch wurde gehackt.",
    ],
)
def test_a_customers_own_machine_is_not_accused(body: str) -> None:
    assert accused(body, "help") == (Disposition.NEEDS_A_PERSON, set())


def test_two_sources_for_the_same_are_left_to_a_person() -> None:
    body = "Someone brute forces our ERP. The firewall says it comes from 203.0.113.4 but the ERP's own log says 203.0.113.9."
    assert accused(body)[0] is Disposition.NEEDS_A_PERSON


def test_thanks_at_the_end_of_a_complaint_are_a_courtesy() -> None:
    body = "203.0.113.9 has been trying passwords on our IMAP server for two days.\n\nThank you for your help."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})
    over = "203.0.113.9 has been trying passwords on our IMAP server. It has stopped now.\n\nThank you for your help."
    assert accused(over)[0] is not Disposition.REPORT


def test_a_front_is_not_the_client() -> None:
    body = (
        "A bot tries passwords in our shop. Connections reach us through our CDN, so the log shows 192.0.2.5 while the real"
        " client is in CF-Connecting-IP:\n\n"
        + "\n".join(
            f'192.0.2.5 - - [21/Nov/2026:03:04:1{second} +0000] "POST /wp-login.php HTTP/1.1" 401 cf="203.0.113.9"'
            for second in (1, 2)
        )
    )
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


def test_customers_who_suffer_clear_nobody() -> None:
    body = "Your machine 203.0.113.9 floods our shop with requests, a DDoS, so that real customers get time-outs. Please stop it."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize(
    "body",
    [
        "203.0.113.9 is brute forcing our SSH server. 203.0.113.7 is simply our own backup line.",
        "Il y a 203.0.113.9 qui sondait tous nos ports SSH, force brute. L'autre adresse, 203.0.113.7, est simplement notre DNS.",
        "Somebody brute forced our web editor's password from 203.0.113.9. He works from home, 203.0.113.7, as the log shows.",
    ],
)
def test_what_is_told_to_be_the_writers_own_is_not_accused(body: str) -> None:
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


def test_a_mailing_of_spam_is_no_mailing() -> None:
    body = "Добрый день. Ваш хост 203.0.113.9 рассылает спам. Наш почтовый шлюз — 203.0.113.7."
    assert accused(body, "Рассылка спама") == (Disposition.REPORT, {"203.0.113.9"})


def test_a_word_of_small_print_hides_no_paragraph() -> None:
    body = (
        "I run a small pottery. Since Monday I get forty spam mails a day. All of them came from your server 203.0.113.9."
        " There is no unsubscribe link."
    )
    assert accused(body, "spam") == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize(
    "words",
    [
        "203.0.113.4 is brute forcing our SSH server and this host has been blocked. Another one, 203.0.113.9, does the same.",
        "203.0.113.9 brute forces our SSH server. On Monday 203.0.113.4 came, and that provider took part in it.",
        "203.0.113.9 is brute forcing our SSH server. On Monday it was 203.0.113.4, but that provider has not reacted.",
        "203.0.113.9 is brute forcing our SSH server. On Monday it was 203.0.113.4, and that provider has blocked nothing.",
        "203.0.113.9 macht Brute Force gegen unser SSH. Am Montag war es 203.0.113.4, aber dieser Anbieter hat nicht reagiert.",
        "203.0.113.4 esegue brute force sul nostro SSH, ma quel fornitore non ha mai reagito. 203.0.113.9 esegue brute force pure.",
        "203.0.113.9 probeert wachtwoorden op onze SSH. Maandag was het 203.0.113.4, maar die provider heeft niet ingegrepen.",
        "203.0.113.9 łamie hasła SSH. W poniedziałek był to 203.0.113.4, ale tamten dostawca nie zareagował.",
        "203.0.113.4 подбирает пароли SSH, но тот провайдер не отреагировал. 203.0.113.9 подбирает пароли тоже.",
        "203.0.113.9 hace fuerza bruta a nuestro SSH. El lunes fue 203.0.113.4, pero ese proveedor nunca actuó.",
        "203.0.113.9 faz força bruta no nosso SSH. Na segunda foi 203.0.113.4, mas esse provedor não reagiu.",
    ],
)
def test_who_was_not_dealt_with_is_not_taken_out(words: str) -> None:
    assert accused(words) != (Disposition.REPORT, {"203.0.113.9"})


def test_who_alone_is_named_is_not_taken_out_as_dealt_with() -> None:
    body = "Our server is 198.51.100.7. 203.0.113.4 is brute forcing our SSH server, but that provider acted at once."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.4"})


def test_whom_a_hosting_company_dealt_with_is_not_accused() -> None:
    body = "203.0.113.9 is brute forcing our SSH server. On Monday it was 203.0.113.4, but that hosting company acted at once."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize(
    "words",
    [
        "Your server 203.0.113.9 is brute forcing our SSH server, here is the WAF log:",
        "203.0.113.9 is brute forcing our SSH server, below are the CDN logs",
        "Our SSH server was brute forced by 203.0.113.9, below are the WAF alerts:",
        "203.0.113.9 macht Brute Force gegen unseren SSH-Server, hier ist das WAF-Log.",
        "203.0.113.9 probeert wachtwoorden op onze SSH-server, brute force, hier is het WAF-logboek.",
    ],
)
def test_a_log_that_is_shown_clears_nobody(words: str) -> None:
    assert accused(words) == (Disposition.REPORT, {"203.0.113.9"})


@pytest.mark.parametrize("thing", ["our WAF", "our WAF log server", "just our CDN", "the load balancer"])
def test_a_machine_before_the_writers_server_is_cleared(thing: str) -> None:
    body = f"203.0.113.9 is brute forcing our SSH server. 203.0.113.7 is {thing}."
    assert accused(body) == (Disposition.REPORT, {"203.0.113.9"})
