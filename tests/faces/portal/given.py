"""A provider with Carol, Dave, and Rory who resells to Emma: each with a contact, a case, and things that nobody may read."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.test import Client

from tests.pipeline import given
from tipstaff.accounts.models import Contact, Customer, OwnPrefix
from tipstaff.cases import services
from tipstaff.cases.models import Case
from tipstaff.correspondence import links
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.services import Plain, keep
from tipstaff.faces.portal import signing_in
from tipstaff.intake.models import Submission
from tipstaff.intake.services import ensure_source
from tipstaff.kernel.ids import new_id
from tipstaff.pipeline import batch, context
from tipstaff.pipeline.columns import Parsed

H = timedelta(hours=1)
ADDRESSES = {"carol": given.CAROL, "dave": given.DAVE, "emma": given.EMMA}
CAROL, DAVE, EMMA = given.CAROL, given.DAVE, given.EMMA
#: What stands in reports, notes and mails, and must never stand on a page of the portal: planted, one for each kind.
NEEDLES = {
    "complainant's name": "Ritaneedle Reporterson",
    "complainant's mail": "ritaneedle@complainant.example.org",
    "complainant's phone": "+49 30 5550 4242",
    "complainant's organisation": "Needleworks Ltd",
    "complainant's street": "Needlestreet 77",
    "recipient": "victimneedle@mailbox.example.com",
    "spam trap": "trapneedle@trap.example.net",
    "x-header": "X-Needle-Trap-Id",
    "x-header value": "trap99812needle",
    "message id": "20260615.needleid@complainant.example.org",
    "tracking link": "track.needle.example",
    "other customer's address": given.DAVE,
    "internal note": "Notneedle: Carol is on our watch list",
    "mail to the reporter": "Mailneedle: thank you for telling us",
    "second reporter": "secondneedle@other.example.org",
    "member of staff": "alicia-needle",
    "picture": "aGlkZGVuLW5lZWRsZS1waWN0dXJl",
}
LETTER = """Date: Mon, 15 Jun 2026 06:43:58 +0000
From: {name} <{mail}>
To: abuse@northgate.example
Subject: Phishing on your network
Message-ID: <{message_id}>
X-Needle-Trap-Id: trap99812needle
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="bb"

--bb
Content-Type: text/plain; charset=utf-8

Dear abuse team,

{address} serves a copy of our login page: http://{address}/login?u=1
It was mailed to victimneedle@mailbox.example.com and hit trapneedle@trap.example.net.
Follow https://track.needle.example/open?id=victimneedle for our ticket. {neighbour} does the same.
Call us: +49 30 5550 4242

--
{name}, Needleworks Ltd, Needlestreet 77
--bb
Content-Type: message/rfc822

Received: from mail.shop.example ([{address}]) by mx.complainant.example.org; Sun, 14 Jun 2026 10:02:11 +0200
From: Bank <bank@shop.example>
To: victimneedle@mailbox.example.com
Delivered-To: trapneedle@trap.example.net
Message-ID: <20260615.needleid@complainant.example.org>
X-Needle-Trap-Id: trap99812needle
Subject: Verify your account

Dear victimneedle@mailbox.example.com, log in at http://{address}/login
--bb
Content-Type: image/png; name="proof.png"
Content-Transfer-Encoding: base64

aGlkZGVuLW5lZWRsZS1waWN0dXJl
--bb--
"""


@dataclass
class World:
    """Who there is; contacts and cases by name."""

    now: datetime
    contacts: dict[str, Contact] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)

    def signed_in(self, name: str, **headers: str) -> Client:
        """A browser that is signed in through the portal's own door."""
        client = Client(headers=headers or None)
        begun = signing_in.begin(
            secret=signing_in.ask(email=self.contacts[name].email, code="en", mailed=False, now=self.now), now=self.now
        )
        assert begun is not None
        client.cookies[signing_in.cookie_name()] = begun.secret
        return client

    def link(self, name: str, case: str = "", at: datetime | None = None) -> str:
        contact = self.contacts[name]
        token = links.token_of(f"case:{self.cases[case or name].pk}", f"contact:{contact.pk}", at or self.now, to=contact.email)
        return f"/c/{token}/"

    def fresh(self, name: str) -> Case:
        return Case.objects.get(pk=self.cases[name].pk)


def letter(address: str, neighbour: str) -> bytes:
    return LETTER.format(
        name=NEEDLES["complainant's name"], mail=NEEDLES["complainant's mail"], message_id=NEEDLES["message id"], address=address,
        neighbour=neighbour,
    ).replace("\n", "\r\n").encode()  # fmt: skip


def delivered(content: bytes, *drafts, now: datetime):
    """Commit drafts as one mail with that content."""
    source = ensure_source(name="mail", kind="smtp", now=now)
    number = new_id(now)
    row = Submission.objects.create(
        id=number, source=source, source_ref=str(number), blob_id=keep(items=[Plain(content)], now=now)[0], received_at=now
    )
    parsed = Parsed(
        submission=row.pk, received_at=now, source="mail", sha256=bytes(row.blob.sha256).hex(), drafts=list(drafts), kind="smtp"
    )
    return batch.commit([parsed], context.load(now), now)


def reported(address: str, now: datetime, by: str = NEEDLES["complainant's mail"], category: str = "phishing"):
    where = {"ip": "body"}
    event = given.EventDraft(ip=address, url=f"http://{address}/login?u=victimneedle@mailbox.example.com", occurred_at=now - 2 * H,
                             found_in=where | {"occurred_at": "body", "url": "body"})  # fmt: skip
    draft = given.ReportDraft(
        reporter=given.Reporter(name=NEEDLES["complainant's name"], email=by, organisation=NEEDLES["complainant's organisation"]),
        category=category, category_from="structure xarf", format="xarf-4", events=[event], description="descriptionneedle",
        subject="subjectneedle",
    )  # fmt: skip
    neighbour = given.DAVE if address != given.DAVE else given.CAROL
    delivered(letter(address, neighbour), draft, now=now)


def world(now: datetime, pack: str = "default") -> World:
    """Three customers and a reseller, each told of a case some hours ago, with everything that may not be seen around it."""
    given.provider(pack=pack)
    made = World(now)
    for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"):
        OwnPrefix.objects.create(prefix=ip_network(prefix))
    for customer in Customer.objects.all():
        name = str(customer.external_id)
        Customer.objects.filter(pk=customer.pk).update(timezone="Europe/Berlin")
        made.contacts[name] = Contact.objects.create(
            customer=customer,
            name=f"{name.title()} Meyer",
            email=f"abuse@{name}.example",
            language="",
            confirmed_at=now,
            phone="+1 555 0100",
        )
    for address in ADDRESSES.values():
        reported(address, now - 3 * H)
    reported(given.CAROL, now - 2 * H, by=NEEDLES["second reporter"])
    for case in Case.objects.select_related("customer"):
        made.cases[str(case.customer.external_id)] = case
    given.colleagues(**{"alicia-needle": "analyst"})
    for case in made.cases.values():
        if case.state == "TRIAGE":
            services.classify(case=case.pk, category=case.category, by="alicia-needle", now=now - 2 * H, ticket=True)
        _around(case, now)
    return made


def _around(case: Case, now: datetime) -> None:
    """A note, a mail to the reporter, a waiting mail."""
    services.note(case=case.pk, text=NEEDLES["internal note"], by="alicia-needle", now=now - H)
    for audience, text in (("reporter", NEEDLES["mail to the reporter"]), ("staff", NEEDLES["internal note"])):
        OutboxMessage.objects.create(
            reference=f"case:{case.pk}", audience=audience, kind="message", recipient=NEEDLES["complainant's mail"],
            subject=text, body=text,
            state="sent", created_at=now, sent_at=now, not_before=now,
        )  # fmt: skip
