"""A desk with work on it: two customers, some sixty cases in every state, reports, events and journals."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache as once
from hashlib import blake2b
from ipaddress import ip_network
from uuid import UUID

from django.core.cache import cache
from django.db import connection
from psycopg.types.range import TimestamptzRange

from tipstaff.accounts.models import (
    Acceptance,
    Assignment,
    Contact,
    Customer,
    InventorySource,
    OwnPrefix,
    Service,
    ServiceName,
    StaffMember,
)
from tipstaff.cases.models import Case, CaseReport, JournalEntry
from tipstaff.evidence.services import Plain, keep
from tipstaff.intake.models import Source, Submission
from tipstaff.kernel.ids import new_id
from tipstaff.policy import loading
from tipstaff.policy.models import StoredEdition
from tipstaff.reports.models import Event, Report, Reporter, Rule

PASSWORD = "correct horse battery"
H = timedelta(hours=1)

LETTER = b"""Date: Mon, 15 Jun 2026 06:43:58 +0000
From: Rita Reporter <rita@reports.example.org>
To: abuse@northgate.example
Subject: SSH login attempts from your network
Message-ID: <20260615.0643@reports.example.org>
X-Trap-Id: 99812
Authentication-Results: mx.northgate.example; dkim=pass header.d=reports.example.org

Dear abuse team,

your address 203.0.113.7 tries to log in to our server 198.18.0.5 since yesterday.

Jun 14 11:50:12 gw1 sshd[20114]: Failed password for root from 203.0.113.7 port 51514 ssh2
Jun 14 11:50:15 gw1 sshd[20114]: Failed password for admin from 203.0.113.7 port 51514 ssh2

Copied to soc@reports.example.org, phone +49 30 5550 1234. Neighbour 203.0.113.201 does the same.

-- \x20
Rita Reporter, Reporter Street 5, 10115 Berlin
"""

# (category, clause, severity, headline, hours since opened, state, owner, turn)
CASES = [
    ("scan", "3.1", "medium", "198.51.100.83", 30, "TICKETED", "bob", "customer"),
    ("spam", "5.1", "high", "192.0.2.25", 27, "TICKETED", None, "us"),
    ("open_relay", "6.2", "medium", "198.51.100.9", 49, "TICKETED", "alice", "customer"),
    ("phishing", "4.2", "high", "203.0.113.41", 3.4, "TICKETED", "alice", "us"),
    ("c2", "4.4", "critical", "192.0.2.140", 3, "TICKETED", "bob", "customer"),
    ("intrusion", "3.2", "high", "203.0.113.90", 22.2, "ACKNOWLEDGED", "alice", "us"),
    ("malware", "4.3", "high", "203.0.113.7", 2.1, "TICKETED", "bob", "customer"),
    ("header_forgery", "5.3", "high", "192.0.2.26", 2.4, "TICKETED", None, "customer"),
    ("phishing", "4.2", "high", "203.0.113.44", 0.4, "TRIAGE", None, "us"),
    ("intrusion", "3.2", "high", "198.51.100.201", 6, "FIX_CLAIMED", "alice", "us"),
    ("spam_support", "5.2", "medium", "shop.carol.example", 17, "TICKETED", "bob", "customer"),
    ("vulnerable", "6.2", "low", "198.51.100.66", 12, "TICKETED", None, "customer"),
    ("copyright", "2.3", "medium", "203.0.113.150", 20, "DISPUTED", "alice", "reporter"),
    ("scan", "3.1", "medium", "2001:db8:40::1f", 5, "TICKETED", "bob", "customer"),
    ("trademark", "2.4", "medium", "203.0.113.162", 40, "TICKETED", "bob", "us"),
    ("ddos_origin", "4.1", "critical", "192.0.2.61", 0.2, "TRIAGE", None, "us"),
    ("defamation_privacy", "2.6", "medium", "203.0.113.12", 30, "ACKNOWLEDGED", "alice", "reporter"),
    ("scraping", "3.6", "low", "198.51.100.30", 50, "TICKETED", None, "customer"),
    ("compromised", "4.5", "high", "192.0.2.31", 11.2, "NOT_ADEQUATE", "alice", "customer"),
    ("unauth_test", "3.4", "high", "198.51.100.112", 1, "TRIAGE", "alice", "us"),
]
TIME = {"critical": 4, "high": 24, "medium": 48, "low": 168}
SHORT = {"phishing": 4, "malware": 4, "compromised": 12, "scan": 24}


@dataclass
class Sample:
    """What the factory made; ``now`` is the moment at which it is looked at."""

    now: datetime
    staff: dict[str, StaffMember] = field(default_factory=dict)
    carol: Customer | None = None
    dave: Customer | None = None
    cases: list[Case] = field(default_factory=list)
    waiting: list[Submission] = field(default_factory=list)
    sealed: Submission | None = None


def staff(now: datetime) -> dict[str, StaffMember]:
    """Alice (analyst), Bob (lead), Sam and Sofia (the sealed queue's two), Amir (auditor)."""
    made = {}
    for name, roles in (
        ("alice", ["analyst"]),
        ("bob", ["analyst", "lead"]),
        ("sam", ["analyst", "liaison"]),
        ("sofia", ["lead", "counsel"]),
        ("amir", ["auditor"]),
    ):
        member = StaffMember(username=name, first_name=name.capitalize(), roles=roles, timezone="Europe/Berlin")
        member.set_password(PASSWORD)
        member.save()
        made[name] = member
    return made


def sample(now: datetime, *, filler: int = 40) -> Sample:
    """The whole desk. Everything lies before ``now``."""
    cache.clear()
    made = Sample(now=now, staff=staff(now))
    edition = published_edition(now)
    _partitions(now)
    _customers(made)
    rita = Reporter.objects.create(
        key="rita@reports.example.org",
        name="Rita Reporter",
        email="rita@reports.example.org",
        organisation="Reports Ltd",
        authenticated_as="reports.example.org",
        trust=2,
        first_seen=now - 90 * 24 * H,
        last_seen=now,
        reports=14,
    )
    _sources(made)
    rows: list[tuple] = list(CASES)
    for number in range(filler):
        row = CASES[number % len(CASES)]
        closed = ("RESOLVED", "CLOSED_FALSE", "CLOSED_COMPLIANT", "RESOLVED")[number % 4]
        rows.append((*row[:4], 24 * (number + 2) * 1.3, closed, "alice", "us"))
    services = {customer: customer.services.get() for customer in (made.carol, made.dave)}
    made.cases = Case.objects.bulk_create(_case(made, edition, services, place, row) for place, row in enumerate(rows))
    _reported(made, rita)
    JournalEntry.objects.bulk_create(entry for case in made.cases for entry in _journal(case))
    _intake(made, rita)
    Rule.objects.create(
        position=1,
        name="Open resolvers: only above ten a week",
        action="record_only",
        enabled=True,
        by="bob",
        at=now,
        conditions={"category": ["vulnerable"], "fewer_than": 10, "days": 7},
        replay={"opened": 312, "instead_of": 4100, "events": 52340, "days": 30},
        replayed_at=now - 3 * H,
    )
    Rule.objects.create(
        position=2,
        name="Spam from unknown reporters: ask",
        action="ask_person",
        enabled=False,
        by="alice",
        at=now,
        conditions={"category": ["spam"], "trust_below": 1},
    )
    return made


def published_edition(now: datetime) -> StoredEdition:
    """The packaged default, drafted by Bob, published by Erik, in force for a year."""
    content = _default()
    return StoredEdition.objects.create(
        pack="default",
        version="1",
        content=content,
        content_hash=loading.hash_of(content),
        effective_from=now - 400 * 24 * H,
        state="published",
        intake_address="abuse@northgate.example",
        drafted_by="bob",
        published_by="erik",
        created_at=now - 401 * 24 * H,
        published_at=now - 400 * 24 * H,
    )


@once
def _default() -> dict:
    return loading.canonical(loading.load_packaged("default"))


def _partitions(now: datetime) -> None:
    with connection.cursor() as cursor:
        for days in (0, 31, 62):
            cursor.execute("SELECT reports_ensure_partition(%s)", [now - timedelta(days=days)])


def _customers(made: Sample) -> None:
    now = made.now
    netbox = InventorySource.objects.create(name="NetBox", kind="netbox", last_word_at=now - H / 6, last_ok_at=now - H / 6)
    always = TimestamptzRange(now - 300 * 24 * H, None)
    for name, reference, brand in (("Larkfield Web GmbH", "C-1087", "carol"), ("Ostrava Data", "C-2044", "dave")):
        customer = Customer.objects.create(
            name=name, external_id=reference, source=netbox, language="de", timezone="Europe/Berlin", created_at=now - 400 * 24 * H
        )
        person = brand.capitalize()
        Contact.objects.create(
            customer=customer,
            name=f"{person} Meyer",
            email=f"abuse@{brand}.example",
            language="de",
            phone="+49 30 5550 100",
            confirmed_at=now - 60 * 24 * H,
        )
        Service.objects.create(customer=customer, name=f"web-{brand}", external_id=f"S-{reference}", started_at=now - 300 * 24 * H)
        Acceptance.objects.create(
            customer=customer,
            edition="default/2026-01",
            content_hash="0" * 64,
            accepted_at=now - 150 * 24 * H,
            actor=f"{person} Meyer",
            method="contract",
        )
        setattr(made, brand, customer)
    for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"):
        OwnPrefix.objects.create(prefix=ip_network(prefix), source=netbox)
    held = {
        made.carol: ("203.0.113.0/25", "203.0.113.128/26", "192.0.2.0/26", "2001:db8:40::/48"),
        made.dave: ("198.51.100.0/24", "192.0.2.128/25"),
    }
    moved = now - 7 * H
    for customer, start, end in ((made.carol, None, moved), (made.dave, moved, None)):  # type: ignore[assignment]
        Assignment.objects.create(
            prefix=ip_network("203.0.113.192/26"),
            period=TimestamptzRange(start or always.lower, end),
            source=netbox,
            service=customer.services.get(),
            external_id=f"nb-moved-{customer.pk}",
            recorded_at=moved,
        )
    for customer, prefixes in held.items():  # type: ignore[assignment]
        service = customer.services.get()
        ServiceName.objects.create(
            service=service,
            kind="domain",
            value=f"{'carol' if customer == made.carol else 'dave'}.example",
            period=always,
            source=netbox,
            recorded_at=now - 300 * 24 * H,
        )
        for prefix in prefixes:
            Assignment.objects.create(
                prefix=ip_network(prefix),
                period=always,
                service=service,
                source=netbox,
                external_id=f"nb-{prefix}",
                recorded_at=now - 300 * 24 * H,
            )


def _sources(made: Sample) -> None:
    now = made.now
    for name, kind, last, every in (
        ("abuse@ mailbox", "imap", 2, 60),
        ("XARF feed", "api", 4, 120),
        ("Shadowserver", "pull", 97, 60),
        ("Public form", "form", 300, None),
    ):
        Source.objects.create(
            name=name,
            kind=kind,
            created_at=now - 90 * 24 * H,
            last_ok_at=now,
            last_received_at=now - timedelta(minutes=last),
            expected_every=timedelta(minutes=every) if every else None,
        )


def submission(made: Sample, text: bytes, *, state: str, at: datetime, **more) -> Submission:
    """One that was received at that moment; ``more`` are the fields of its row."""
    blob = keep(items=[_plain(text, state)], now=at)[0]
    row = _submission(Source.objects.get(name="abuse@ mailbox"), blob, state=state, at=at, **more)
    row.save(force_insert=True)
    return row


def _plain(text: bytes, state: str) -> Plain:
    return Plain(text, "message/rfc822", "sealed" if state == "sealed" else "mail")


def _submission(
    source: Source,
    blob: int,
    *,
    subject: str,
    state: str,
    at: datetime,
    reason: str = "",
    due: datetime | None = None,
    trace: list | None = None,
    sender: str = "rita@reports.example.org",
) -> Submission:
    number = new_id(at)
    return Submission(
        id=number,
        source=source,
        source_ref=str(number),
        blob_id=blob,
        received_at=at,
        state=state,
        subject=subject,
        sender=sender,
        reason=reason,
        trace=trace or [],
        due_at=due,
        filename=f"{str(number)[:8]}.eml",
    )


def report(made: Sample, received: Submission, reporter: Reporter, category: str, events: int) -> Report:
    row = _report(received, reporter, category, events)
    row.save(force_insert=True)
    return row


def _report(received: Submission, reporter: Reporter, category: str, events: int) -> Report:
    return Report(
        submission=received,
        reporter=reporter,
        format="free-text",
        disposition="report",
        state="merged",
        category=category,
        category_from="keyword 'failed password' (en)",
        subject=received.subject,
        received_at=received.received_at,
        description="Login attempts on our server since yesterday.",
        events=events,
        verification={"name": True, "locator": True, "description": True},
    )


def event(case: Case | None, found: Report, address: str, row: int, at: datetime, **more) -> Event:
    made = _event(case, found, address, row, at, **more)
    made.save(force_insert=True)
    return made


def _event(case: Case | None, found: Report, address: str, row: int, at: datetime, **more) -> Event:
    key = UUID(bytes=blake2b(f"{found.pk}/{row}/{address}".encode(), digest_size=16).digest())
    return Event(
        key=key,
        received_at=found.received_at,
        case_id=case.pk if case else None,
        report_id=found.pk,
        row=row,
        occurred_at=at,
        time_as_written="Jun 14 11:50:12",
        ip=address,
        port=51514,
        category=found.category,
        report_type="login-attack",
        attribution=1,
        customer_id=case.customer_id if case else None,
        **more,
    )


def _case(made: Sample, edition: StoredEdition, services: dict, place: int, row: tuple) -> Case:
    category, _, severity, headline, hours, state, owner, turn = row
    now = made.now
    opened = now - timedelta(hours=hours)
    customer = made.dave if headline.startswith("198.51") or headline in {"192.0.2.140", "192.0.2.177"} else made.carol
    allowed = SHORT.get(category, TIME[severity])
    ticketed = None if state == "TRIAGE" else opened + timedelta(minutes=39)
    resolve = ticketed + allowed * H if ticketed else None
    ack = min(ticketed + 24 * H, resolve) if ticketed else None
    closed = opened + allowed * H * 0.8 if state.startswith("CLOSED") or state == "RESOLVED" else None
    if state not in {"TRIAGE", "TICKETED"}:
        following = resolve
    else:
        following = ack or opened + 4 * H
    reporters = 1 + place % 4
    return Case(
        customer=customer,
        service=services[customer],
        category=category,
        clause=edition.content["categories"][category]["clause"],
        severity=severity,
        edition=edition,
        state=state,
        group_key=new_id(now),
        accepting=closed is None,
        headline=headline,
        opened_at=opened,
        first_event_at=opened - H,
        last_event_at=opened,
        refreshed_at=opened + H / 2,
        window_until=opened + 720 * H,
        events=reporters * 3,
        reports=reporters,
        reporters=reporters,
        needs_person="the kind was read from words, not from structure" if state == "TRIAGE" else "",
        owner=made.staff.get(owner),
        waiting_on=turn,
        last_word_by={"us": "customer", "customer": "us"}.get(turn, "us"),
        last_word_at=opened + timedelta(hours=hours) * 0.6,
        desk_due_at=opened + 4 * H,
        ticketed_at=ticketed,
        ack_due_at=ack,
        resolve_due_at=resolve,
        next_due_at=None if closed else following,
        closed_at=closed,
        outcome=state if closed else "",
    )


def _reported(made: Sample, rita: Reporter) -> None:
    """One or two letters about each case, written as a whole: five hundred rows one by one take longer than most tests."""
    told = [(place, case, number) for place, case in enumerate(made.cases) for number in range(min(case.reporters, 2))]
    texts = [
        LETTER.replace(b"203.0.113.7", case.headline.encode()).replace(b"0643", f"{place}{number}".encode())
        for place, case, number in told
    ]
    blobs = keep(items=[_plain(text, "parsed") for text in texts], now=made.now)
    mailbox = Source.objects.get(name="abuse@ mailbox")
    received = Submission.objects.bulk_create(
        _submission(mailbox, blob, subject=f"Abuse from {case.headline}", state="parsed", at=case.opened_at + number * H / 5)
        for (_, case, number), blob in zip(told, blobs, strict=True)
    )
    found = Report.objects.bulk_create(
        _report(row, rita, case.category, 3) for (_, case, _), row in zip(told, received, strict=True)
    )
    CaseReport.objects.bulk_create(
        CaseReport(case=case, report_id=one.pk, reporter_id=rita.pk, events=3, at=one.received_at)
        for (_, case, _), one in zip(told, found, strict=True)
    )
    Event.objects.bulk_create(
        _event(case, one, case.headline, line + 1, one.received_at - H)
        for (_, case, _), one in zip(told, found, strict=True)
        if case.headline[0] in "12"
        for line in range(3)
    )


def _journal(case: Case) -> list[JournalEntry]:
    entries = []

    def entry(at: datetime, actor: str, kind: str, text: str, internal: bool = True, **detail) -> None:
        entries.append(JournalEntry(case=case, at=at, actor=actor, kind=kind, text=text, internal=internal, detail=detail))

    entry(case.opened_at, "system", "opened", f"{case.reports} reports of {case.headline}")
    if case.ticketed_at:
        entry(case.ticketed_at, "system", "state", "opened the ticket; the customer’s clock starts", waiting_on="customer")
        entry(case.ticketed_at + H / 60, "system", "mail", "Notice to Carol Meyer waits in the outbox", internal=False)
    if case.owner:
        entry(case.opened_at + H / 2, case.owner.username, "owner", "took the case")
    if case.waiting_on == "us" and case.ticketed_at:
        entry(
            case.last_word_at,
            "carol",
            "mail",
            "We took the directory down. Looking into how it got there.",
            internal=False,
            waiting_on="us",
        )
        entry(case.last_word_at + H / 30, "bob", "note", "Same kit as last week. Ask for the plugin list before accepting a plan.")
    if case.closed_at:
        entry(case.closed_at, "alice", "state", f"closed the case: {case.state}")
    return entries


def _intake(made: Sample, rita: Reporter) -> None:
    now = made.now
    trace = [
        {
            "format": "free-text",
            "disposition": "report",
            "category": "intrusion",
            "category_from": "keyword 'failed password' (en)",
            "needs": ["the time has no zone: two customers held the address within the possible times"],
            "warnings": ["the log's time and the mail's Date are 19 h apart"],
            "external_id": None,
            "rows": 1,
            "events": [
                {
                    "ip": "203.0.113.201",
                    "port": 51514,
                    "domain": None,
                    "url": None,
                    "occurred_at": None,
                    "details": {},
                    "time_as_written": "Jun 14 11:50:12",
                    "found_in": {"ip": "line 5 of the text", "occurred_at": "line 5"},
                }
            ],
        },
    ]
    for number, (subject, reason, state) in enumerate(
        (
            ("SSH login attempts, 203.0.113.201", "address changed hands near that time", "needs_person"),
            ("Copyright notice, no address given", "no address or URL of ours found", "needs_person"),
            ("", "attachment is a picture of a log", "needs_person"),
            ("Scan report", "the CSV has no column that is a time", "failed"),
        )
    ):
        text = LETTER.replace(b"203.0.113.7", b"203.0.113.201").replace(b"0643", f"i{number}".encode())
        made.waiting.append(
            submission(
                made,
                text,
                subject=subject,
                state=state,
                reason=reason,
                trace=trace,
                at=now - timedelta(minutes=24 + 40 * number),
                due=now + timedelta(hours=1 + number),
            )
        )
        if number == 0:
            found = report(made, made.waiting[0], rita, "intrusion", 1)
            Event.objects.create(
                key=new_id(now),
                received_at=found.received_at,
                report_id=found.pk,
                row=1,
                ip="203.0.113.201",
                earliest=now - 8 * H,
                latest=now - 6 * H,
                time_as_written="Jun 14 11:50:12",
                attribution=4,
                category="intrusion",
                report_type="login-attack",
                action=3,
            )
    made.sealed = submission(
        made,
        b"From: x@trap.example\n\nharmless placeholder",
        subject="",
        sender="",
        state="sealed",
        at=now - H,
        reason="keywords",
        due=now + H,
    )
