"""Returned, automatic and answering mail is told from reports, however the machine that wrote it puts it."""

import gzip
import zipfile
from base64 import encodebytes
from io import BytesIO

import pytest

from tests.intake.samples import captured, own_samples
from tests.unskipped import NOT_OURS
from tipstaff.correspondence.references import message_id, plus_address
from tipstaff.intake.dispositions import verdict_of
from tipstaff.intake.drafts import Disposition as D
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.open import open_message

OURS = Hints(own_domains=("network.example.net",), own_addresses=("abuse@network.example.net",))
TOKEN = "4312-abcd1234"


def mail(subject="", body="", **headers) -> bytes:
    given = {
        "from": "Rita <rita@example.org>",
        "to": "abuse@network.example.net",
        "date": "Mon, 16 Nov 2026 10:00:00 +0000",
        "message_id": "<m1@example.org>",
        **headers,
    }
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in given.items() if value is not None]
    return "\n".join([*lines, f"Subject: {subject}", "Content-Type: text/plain; charset=utf-8", "", body, ""]).encode()


def multipart(*parts: bytes, kind="mixed", subject="x", **headers) -> bytes:
    head = mail(subject, **headers).partition(b"Content-Type")[0]
    return (
        head
        + b"MIME-Version: 1.0\nContent-Type: multipart/"
        + kind.encode()
        + b'; boundary="b"\n\n'
        + b"".join(b"--b\n" + part + b"\n" for part in parts)
        + b"--b--\n"
    )


def kind_of(raw: bytes, hints: Hints = OURS):
    message, *_ = open_message(raw, hints)
    verdict = verdict_of(message)
    return verdict.disposition if verdict else None


DAEMON = {"from": "Mail Delivery System <MAILER-DAEMON@mx.example.org>", "return_path": "<>"}
BOUNCES = {
    "unknown engine": mail(
        "Delivery failure", "We were unable to deliver your message to:\n<a@example.org>\n550 5.1.1 no such user", **DAEMON
    ),
    "german": mail(
        "Unzustellbar: Ihre Meldung",
        "Ihre Nachricht konnte nicht zugestellt werden.",
        **{**DAEMON, "from": "postmaster@example.org"},
    ),
    "french": mail(
        "Non remis : test",
        "Votre message n'a pas pu être remis à son destinataire.",
        **{**DAEMON, "from": "postmaster@example.org"},
    ),
    "spanish": mail(
        "No se puede entregar: prueba", "No se ha podido entregar su mensaje", **{**DAEMON, "from": "postmaster@example.org"}
    ),
    "italian": mail(
        "Non recapitabile: prova", "Impossibile recapitare il messaggio", **{**DAEMON, "from": "postmaster@example.org"}
    ),
    "dutch": mail("Onbestelbaar: proef", "Uw bericht kon niet worden bezorgd", **{**DAEMON, "from": "postmaster@example.org"}),
    "polish": mail(
        "Niedostarczalne: próba", "Wiadomość nie mogła zostać dostarczona", **{**DAEMON, "from": "postmaster@example.org"}
    ),
    "portuguese": mail(
        "Não é possível entregar: teste", "não foi possível entregar", **{**DAEMON, "from": "postmaster@example.org"}
    ),
    "russian": mail("Недоставленное сообщение", "не удалось доставить", **{**DAEMON, "from": "postmaster@example.org"}),
    "chinese": mail("系统退信", "您的邮件无法送达", **{**DAEMON, "from": "postmaster@example.org"}),
    "japanese": mail("配信エラーのお知らせ", "メールを配信できませんでした", **{**DAEMON, "from": "postmaster@example.org"}),
    "null path, person's name": mail(
        "failure notice", "This is the qmail-send program at mx.example.org.\n<a@example.org>: user unknown", return_path="<>"
    ),
    "of an abuse notice": mail(
        "Undelivered Mail Returned to Sender",
        "This is the mail system at host mx. <a@example.org>: 550 5.7.1 spam abuse attack",
        **DAEMON,
    ),
    "of an abuse notice, own subject": mail(
        "Abuse report for 192.0.2.1", "Delivery to the following recipient failed permanently: user unknown\n550 5.1.1 x", **DAEMON
    ),
    "failed recipients": mail("hello", "see below", **DAEMON, x_failed_recipients="a@example.org"),
    "dsn": multipart(
        b"Content-Type: text/plain\n\nyour mail",
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        b"Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1",
        kind="report; report-type=delivery-status",
        **DAEMON,
    ),
    "dsn without its type": multipart(
        b"Content-Type: text/plain\n\nyour mail",
        b"Content-Type: message/delivery-status\n\nAction: failed\nStatus: 5.1.1",
        **DAEMON,
    ),
    "delayed": mail(
        "Warning: could not send message for past 4 hours", "The original message was received at Mon\n451 4.4.1 timeout", **DAEMON
    ),
    "auto-submitted only": mail(
        "Mail delivery failed: returning message to sender",
        "A message that you sent could not be delivered",
        auto_submitted="auto-replied",
    ),
}
AUTO_REPLIES = {
    "rfc 3834": mail("Re: your notice", "I am away", auto_submitted="auto-replied"),
    "with a comment": mail("Re: your notice", "I am away", auto_submitted="auto-replied (vacation)"),
    "outlook": mail("Automatic reply: Abuse", "I am out of the office.", x_auto_response_suppress="All", return_path="<>"),
    "german": mail("Abwesenheitsnotiz: Ihre Meldung", "Ich bin im Urlaub"),
    "german 2": mail("Automatische Antwort: Ihre Meldung", "Ich bin im Urlaub"),
    "french": mail("Réponse automatique : votre plainte", "Je suis absent"),
    "spanish": mail("Respuesta automática: queja", "Estaré fuera"),
    "italian": mail("Risposta automatica: segnalazione", "Sono fuori"),
    "dutch": mail("Automatisch antwoord: melding", "Ik ben er niet"),
    "polish": mail("Automatyczna odpowiedź: zgłoszenie", "Jestem nieobecny"),
    "portuguese": mail("Resposta automática: denúncia", "Estou fora"),
    "russian": mail("Автоматический ответ: жалоба", "Меня нет"),
    "chinese": mail("自动回复: 投诉", "我不在"),
    "japanese": mail("自動返信: お知らせ", "不在です"),
    "swedish": mail("Autosvar: anmälan", "Jag är borta"),
    "header": mail("Re: x", "away", x_autoreply="yes"),
    "precedence": mail("Re: x", "away", precedence="auto_reply"),
    "ticket system": mail(
        "[Ticket#2026111610000042] Re: notice",
        "Thank you for contacting us. A ticket has been created.",
        auto_submitted="auto-generated",
    ),
    "ticket system 2": mail(
        "Re: Abuse notice",
        "We have received your message and will get back to you.",
        **{"from": "noreply@desk.example.org", "in_reply_to": "<x@y.example>"},
    ),
    "receipt": multipart(
        b"Content-Type: text/plain\n\nread",
        b"Content-Type: message/disposition-notification\n\nDisposition: manual-action; displayed",
        kind="report; report-type=disposition-notification",
    ),
}
REPLIES = {
    "subject": mail(f"Re: [#{TOKEN}] Open resolver", "Fixed, Carol"),
    "subject with words": mail(f"AW: [Case #{TOKEN}] Open resolver", "Fixed, Carol"),
    "plus address": mail("about the case", "Fixed", to=plus_address("abuse@network.example.net", TOKEN)),
    "plus address in Cc": mail("about the case", "Fixed", cc=f"Abuse <{plus_address('abuse@network.example.net', TOKEN)}>"),
    "in-reply-to": mail("Re: Open resolver", "Fixed", in_reply_to=message_id(TOKEN, "n1", "network.example.net")),
    "references": mail(
        "Re: Open resolver", "Fixed", references=f"<a@b.example> {message_id(TOKEN, 'n1', 'network.example.net')} <c@d.example>"
    ),
}
OTHERS = {
    "unsubscribe": (mail("unsubscribe", ""), D.OPT_OUT),
    "one click": (mail("", "List-Unsubscribe=One-Click"), D.OPT_OUT),
    "remove me": (mail("Re: Newsletter", "Please remove me from your list.\n\n> our newsletter"), D.OPT_OUT),
    "abmelden": (mail("Abmelden", "Bitte austragen"), D.OPT_OUT),
    "address of opt-outs": (mail("x", "y", to="news+unsub-77@network.example.net"), D.OPT_OUT),
    "counter-notice": (
        mail(
            "DMCA counter-notification",
            "I swear under penalty of perjury that I have a good faith belief that the material was removed as a result of "
            "mistake or misidentification. I consent to the jurisdiction of the court and will accept service of process.",
        ),
        D.COUNTER_NOTICE,
    ),
    "retraction": (mail("Retraction of DMCA notice 77", "We hereby withdraw our notice of 3 November."), D.RETRACTION),
    "retraction german": (
        mail("Meldung vom 3. November", "Hiermit ziehen wir unsere Beschwerde zurück, es war ein Fehlalarm."),
        D.RETRACTION,
    ),
    "retraction russian": (mail("Жалоба", "Отзываем жалобу, отправлено по ошибке."), D.RETRACTION),
    "corrected": (
        mail("Abuse", "Please ignore our report on 192.0.2.1; the correct address is 192.0.2.2, attacks at 10:00 UTC."),
        D.NEEDS_A_PERSON,
    ),
    "our own mail": (
        mail(
            f"[#{TOKEN}] Notice",
            "Dear customer",
            **{"from": "abuse@network.example.net", "message_id": message_id(TOKEN, "n1", "network.example.net")},
        ),
        D.NOT_A_REPORT,
    ),
    "looped": (mail("x", "y", x_loop="abuse@network.example.net"), D.NOT_A_REPORT),
}
REPORTS = {
    "auto-generated": mail(
        "[fail2ban] sshd: banned 192.0.2.1", "The IP 192.0.2.1 was banned after 5 attempts", auto_submitted="auto-generated"
    ),
    "null path": mail(
        "Abuse report: SSH brute force from 192.0.2.1",
        "Nov 16 10:00:00 sshd failed password",
        return_path="<>",
        auto_submitted="auto-generated",
    ),
    "from a postmaster": mail(
        "Spam from 192.0.2.1",
        "Your host 192.0.2.1 sent spam; we answered 550 5.7.1 and rejected it.",
        **{"from": "postmaster@example.org", "return_path": "<>"},
    ),
    "backscatter complaint": mail(
        "Fwd: Undelivered Mail Returned to Sender",
        "Your server 192.0.2.1 floods us with bounces that could not be delivered. 550 5.1.1",
    ),
    "person at a null path": mail("complaint", "192.0.2.1 attacks us", return_path="<>"),
    "reply-looking subject": mail("Re: abuse", "192.0.2.1 still attacks us"),
    "suppressing answers": mail("Phishing on your network", "http://192.0.2.1/login", x_auto_response_suppress="All"),
    "noreply ticket system": mail(
        "[Ticket#4711] Abuse complaint: 192.0.2.1",
        "This is an automated message. Your host 192.0.2.1 attacked us.",
        **{"from": "noreply@cert.example.org", "auto_submitted": "auto-generated"},
    ),
    "dmca": mail(
        "DMCA notice",
        "I swear under penalty of perjury that I am authorized to act on behalf of the owner. "
        "You may file a counter notice if this was a "
        "mistake or misidentification.",
    ),
    "not a false alarm": mail("Attack", "This is not a false alarm: 192.0.2.1 attacks us since 10:00"),
    "thought it a false alarm": mail("Attack", "First we took it for a false alarm, but 192.0.2.1 attacks us since 10:00 UTC"),
    "demands a retraction": mail("Defamation", "We demand the retraction of the statement at http://192.0.2.1/page"),
    "unsubscribe does not work": mail(
        "unsubscribe", "I clicked unsubscribe five times and your customer at http://192.0.2.1/ still spams me"
    ),
    "x-arf with null path": mail(
        "abuse",
        "Reported-From: rita@example.org\nReport-Type: login-attack",
        return_path="<>",
        auto_submitted="auto-replied",
        x_xarf="PLAIN",
    ),
    "arf though automatic": multipart(
        b"Content-Type: text/plain\n\nx",
        b"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x\nVersion: 1\nSource-IP: 192.0.2.1",
        kind="report; report-type=feedback-report",
        return_path="<>",
        auto_submitted="auto-replied",
    ),
    "reporter's own ticket": mail("[#2026111610000042] abuse from 192.0.2.1", "192.0.2.1 scans us"),
    "forwarded by a colleague": multipart(
        b"Content-Type: text/plain\n\nfyi",
        b"Content-Type: message/rfc822\n\n" + mail("spam", "192.0.2.1 spams"),
        **{"from": "abuse@network.example.net"},
    ),
}


@pytest.mark.parametrize("name", BOUNCES)
def test_bounces(name):
    assert kind_of(BOUNCES[name]) is D.BOUNCE


@pytest.mark.parametrize("name", AUTO_REPLIES)
def test_automatic_answers(name):
    assert kind_of(AUTO_REPLIES[name]) is D.AUTO_REPLY


@pytest.mark.parametrize("name", REPLIES)
def test_replies_name_their_case(name):
    (message,) = open_message(REPLIES[name], OURS)
    verdict = verdict_of(message)
    assert verdict is not None and verdict.disposition is D.REPLY and verdict.reference == TOKEN


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds(name):
    raw, kind = OTHERS[name]
    assert kind_of(raw) is kind


@pytest.mark.parametrize("name", REPORTS)
def test_what_may_be_a_report_stays_one(name):
    assert kind_of(REPORTS[name]) is None


def test_a_bounce_names_the_case_it_returns():
    raw = mail(
        "Undelivered Mail Returned to Sender",
        "could not be delivered",
        **DAEMON,
        to=plus_address("abuse@network.example.net", TOKEN),
    )
    (message,) = open_message(raw, OURS)
    verdict = verdict_of(message)
    assert verdict is not None and (verdict.disposition, verdict.reference) == (D.BOUNCE, TOKEN)


def test_an_answer_to_any_mail_of_our_domain_is_a_reply():
    raw = mail("Re: Maintenance", "Thanks", in_reply_to="<20261116.77@network.example.net>")
    assert kind_of(raw) is D.REPLY
    assert kind_of(raw, Hints()) is None


def test_the_envelope_counts_before_the_headers():
    (message,) = open_message(mail("x", "y"), Hints(envelope_to=(plus_address("abuse@network.example.net", TOKEN),)))
    assert verdict_of(message).reference == TOKEN
    assert kind_of(mail("Delivery failure", "could not be delivered: 550 5.1.1 no such user"), Hints(envelope_from="")) is D.BOUNCE


AGGREGATE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<feedback>\n'
    b"<report_metadata><org_name>Rita</org_name><report_id>1</report_id></report_metadata>\n"
    b"<policy_published><domain>network.example.net</domain></policy_published>\n<record><row><source_ip>192.0.2.1</source_ip></row></record></feedback>\n"
)


def zipped(name: str, content: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"), [("r.xml", AGGREGATE), ("r.xml.gz", gzip.compress(AGGREGATE)), ("r.zip", zipped("r.xml", AGGREGATE))]
)
def test_dmarc_aggregates_accuse_nobody(name, content):
    part = f'Content-Type: application/octet-stream; name="{name}"\nContent-Transfer-Encoding: base64\n\n'.encode() + encodebytes(
        content
    )
    raw = multipart(
        b"Content-Type: text/plain\n\nsee attachment",
        part,
        subject="Report domain: network.example.net Submitter: example.org Report-ID: 1",
    )
    (draft,) = read_submission(raw, OURS)
    assert draft.disposition is D.AUTH_FAILURE and draft.events == [] and draft.format == "dmarc-aggregate"
    (bare,) = read_submission(content, Hints(filename=name))
    assert bare.disposition is D.AUTH_FAILURE


def test_a_counter_notice_quoted_in_a_complaint_is_none():
    raw = mail(
        "Still infringing",
        "192.0.2.1 still serves it.\n\n> DMCA counter-notification\n"
        "> as a result of mistake or misidentification, I consent to the jurisdiction",
    )
    assert kind_of(raw) is None


def test_own_fixtures_of_parsers_are_not_set_aside_by_looks():
    """What a fixture says is a report must come through the dispositions as one."""
    wrong = []
    for sample in own_samples():
        if {line.get("disposition") for line in sample.expected} == {"report"}:
            wrong += [str(sample) for message in open_message(sample.raw, Hints(filename=sample.path.name)) if verdict_of(message)]
    assert wrong == []


FILES = captured("mail/not-reports/*.eml")


@pytest.mark.skipif(not FILES, reason=f"{NOT_OURS}captured inputs are not beside the checkout")
def test_captured_bounces_open_nothing():
    opened = [file.name for file in FILES if any(draft.disposition in (D.REPORT,) for draft in read_submission(file.read_bytes()))]
    assert opened == []


@pytest.mark.parametrize(
    "says",
    [
        "Please remove this address from your list, we do not wish to get any further messages.",
        "Bitte streichen Sie unsere Adresse office@example.org aus Ihrem Verteiler.",
        "Merci de retirer notre adresse de votre liste de notifications.",
        "Proszę o usunięcie adresu biuro@example.org z Państwa listy powiadomień.",
        "Por favor, eliminen nuestra dirección de su lista.",
    ],
)
def test_a_short_letter_that_leaves_a_list_of_ours_is_an_opt_out(says):
    assert kind_of(mail("Your notices", says)) is D.OPT_OUT
    assert kind_of(mail("Your notices", f"{says} The spammer at 203.0.113.9 goes on.")) is not D.OPT_OUT
    assert kind_of(mail("Spam", f"Your customer sends us spam and does not listen. {says}")) is not D.OPT_OUT


def test_stop_is_an_opt_out_only_when_it_stands_alone():
    assert kind_of(mail("STOP", "Thanks.")) is D.OPT_OUT
    assert kind_of(mail("stop it", "He calls me every night.")) is not D.OPT_OUT


@pytest.mark.parametrize(
    "subject", ["[#NL-7] Eingangsbestätigung: Missbrauch", "Acknowledgement: abuse", "[T-9] Accusé de réception"]
)
def test_a_receipt_of_a_ticket_system_is_an_automatic_answer(subject):
    assert kind_of(mail(subject, "It was filed.", auto_submitted="auto-generated")) is D.AUTO_REPLY
    assert kind_of(mail(subject, "It was filed.")) is not D.AUTO_REPLY
