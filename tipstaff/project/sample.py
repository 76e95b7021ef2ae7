"""The labelled sample: a small provider with thirty days of complaints, delivered through the spool and a real worker.

Everything carries the label (external ids ``sample:…``, sources and views ``Sample: …``), so that ``erase`` finds it.
Addresses are documentation addresses (RFC 5737, RFC 3849), host names end in ``.example`` (RFC 2606). Letters go to a local outbox,
orders to a file: nothing leaves, nothing is done.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.models import ProtectedError, Q

from tipstaff.accounts.models import (
    Acceptance,
    Assignment,
    Contact,
    Customer,
    InventorySource,
    InventoryVersion,
    OwnPrefix,
    Service,
    ServiceName,
    StaffMember,
)
from tipstaff.attribution.queries import who
from tipstaff.audit.services import record
from tipstaff.cases import keeping
from tipstaff.cases.models import Case, CaseChange, CaseLink, CaseReport, JournalEntry, MovedEvent, RefusalMatch
from tipstaff.consent.models import OptOut
from tipstaff.correspondence import links
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.enforcement.models import Interruption, Order, WorkOrder
from tipstaff.evidence.models import Blob, Hold
from tipstaff.evidence.services import erase_unseen, keep_holds_still, release_hold
from tipstaff.faces.desk.models import SavedView
from tipstaff.faces.portal.models import AddressToConfirm, PortalSession, SignInLink
from tipstaff.intake.models import Correction, Source, Submission
from tipstaff.intake.spool import Spool, accepted
from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused
from tipstaff.pipeline import holds, telling
from tipstaff.pipeline.worker import Worker
from tipstaff.policy.models import StoredEdition
from tipstaff.project import connections
from tipstaff.project.samples import acts, flows, mails, people, resolving
from tipstaff.reports.bulk import ensure_partition
from tipstaff.reports.models import AcceptedRisk, FeedDelivery, Report, Reporter, Rule, Tally

LETTERS = 1_000_000  # all of them
STEP, LONG_STEP = timedelta(hours=1), timedelta(hours=6)  # messages so close together are handled in one go
RECENT = timedelta(days=2)  # within which the short step holds


def load(*, now: datetime) -> str:
    """Load the sample into an empty instance; what to tell the person. Refused where there is anything already."""
    if settings.SENDING:
        raise Refused("mail leaves this machine (TIPSTAFF_SENDING=on); the sample goes only where nothing does")
    if Customer.objects.exists() or Submission.objects.exists() or StoredEdition.objects.exists():
        raise Refused("there are customers, messages or policies here already; the sample goes into an empty instance only")
    passwords = furnish(now)
    count = deliver(mails.schedule(now), now)
    resolving.Story(now).run()
    case = acts.last_words(now)
    flows.load(now=now, holder=lambda address: _holder(address, now))
    record(by="system:sample", action="sample.load", subject="sample", now=now, messages=count)
    return _told(passwords, count, case, now)


def _holder(address: str, now: datetime) -> int:
    service = who(ip=address, at=now).service
    return service.customer_id if service else 0


def furnish(now: datetime) -> dict[str, str]:
    """Staff, policies, inventory, ways in and settings, before the first message; the passwords by name."""
    with transaction.atomic():
        passwords = people.staff()
        people.policies(now)
        people.inventory(now)
        people.ways_in(now)
        people.settings_of_the_desk(now)
        resolving.furnish(now - people.SINCE)
    return passwords


def deliver(messages: Sequence[mails.Delivery], now: datetime) -> int:
    """Put each message into a spool at its moment and let a worker carry it to its case. Returns how many."""
    with _spool() as spool:
        worker: Worker | None = None
        for moment, group in _in_steps(messages, now):
            at = min(moment, now)
            acts.work(at, now)
            with clock.frozen(at):
                worker = worker or Worker(spool)
                worker.expired_at = at  # nothing in the story is so old that it goes
                ensure_partition(at)
                spool.put([_accepted(one) for one in group])
                while spool.count():
                    worker.step()
                telling.tell(now=at, most=LETTERS)
                resolving.post()
        acts.work(now + timedelta(minutes=1), now)
        with clock.frozen(now):
            if worker is not None:
                worker.step()  # time itself brings about the last things: silent sources, findings that are gone
            telling.tell(now=now, most=LETTERS)
            resolving.post()
    return len(messages)


def _accepted(one: mails.Delivery):  # type: ignore[no-untyped-def]
    return accepted(source=one.source, kind=mails.KINDS[one.source], content=one.content, now=one.at, filename=one.filename)


def _in_steps(messages: Sequence[mails.Delivery], now: datetime) -> Iterator[tuple[datetime, list[mails.Delivery]]]:
    """The messages in groups that arrive close together, each with the moment of its last."""

    def step(one: mails.Delivery) -> tuple[bool, int]:
        recent = now - one.at < RECENT
        return recent, int(one.at.timestamp() // (STEP if recent else LONG_STEP).total_seconds())

    for _, group in groupby(messages, key=step):
        rows = list(group)
        yield rows[-1].at, rows


@contextmanager
def _spool() -> Iterator[Spool]:
    """A spool of the sample's own beside the instance's, so that a running worker does not date the story today."""
    settings.STATE.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="sample-spool-", dir=settings.STATE))
    try:
        yield Spool(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _told(passwords: dict[str, str], count: int, case: Case | None, now: datetime) -> str:
    told = f"{count} messages of thirty days, {Case.objects.count()} cases. Mail stays in a local outbox, orders are simulated."
    lines = ["", f"  The sample is loaded: {told}", ""]
    lines += [f"  Sign in as {name:<6} password {password}" for name, password in passwords.items()]
    if case is not None:
        lines += ["", *_first(case, now), *_cast(), "  One click at /sample/ erases all of it."]
    return "\n".join([*lines, ""])


def _first(case: Case, now: datetime) -> list[str]:
    """The overdue case, which Home opens too, and the same as its customer sees it."""
    late = now - (case.next_due_at or now)
    hours, minutes = divmod(int(late.total_seconds()) // 60, 60)
    contact = Contact.objects.filter(customer=case.customer_id).order_by("pk")[0]
    link = links.address_of(f"case:{case.pk}", f"contact:{contact.pk}", now, to=contact.email)
    return [
        f"  Open first: case #{case.pk} at /cases/{case.pk}/, phishing at {case.headline}, {hours} h {minutes} min overdue.",
        f"  Its notice lies in the outbox, /outbox/?q=%23{case.pk}. As the customer, {contact.name}, sees it:",
        f"  {link}",
        f"  She signs in at /my/ as {contact.email}; that link lands in the outbox too.",
    ]


def _cast() -> list[str]:
    """The other parts of the story, in two lines."""
    said = {
        "acknowledged": "#{} acknowledged with a plan",
        "disconnected": "#{} disconnected, with its order",
        "appeal": "#{} has an appeal that Bob can decide",
        "credit": "#{} had one that succeeded: its minutes are credited",
    }
    parts = [said[part].format(found.pk) for part, found in resolving.cast().items()]
    return [f"  Then: {'; '.join(parts[:2])};", f"  {'; '.join(parts[2:])}."]


def is_loaded() -> bool:
    """Whether any of the sample is here."""
    return Customer.objects.filter(external_id__startswith=people.PREFIX).exists()


@transaction.atomic
def erase(*, now: datetime, by: str) -> str:
    """Erase the sample and nothing else; ``by`` keeps the account. Returns what went, and what stays on the record.

    Raises Refused while a hold reaches something of it."""
    customers = Customer.objects.filter(external_id__startswith=people.PREFIX)
    sources = Source.objects.filter(name__in=mails.KINDS)
    submissions = Submission.objects.filter(source__in=sources)
    _refuse_what_is_held(customers, submissions, by, now)
    reports = list(Report.objects.filter(submission__in=submissions).values_list("pk", flat=True))
    reporters = set(Report.objects.filter(pk__in=reports).values_list("reporter", flat=True))
    counts = {
        "messages": submissions.count(),
        "cases": Case.objects.filter(customer__in=customers).count(),
        "customers": customers.count(),
    }
    _erase_orders(list(customers.values_list("pk", flat=True)))
    OutboxMessage.objects.filter(reference__in=[f"customer:{number}" for number in customers.values_list("pk", flat=True)]).delete()
    _erase_cases(list(Case.objects.filter(customer__in=customers).values_list("pk", flat=True)))
    _erase_reports(reports, reporters, list(customers.values_list("pk", flat=True)))
    _erase_intake(submissions, sources, by, now)
    _erase_inventory(customers)
    Rule.objects.filter(name__startswith="Sample: ").delete()
    SavedView.objects.filter(name__startswith="Sample: ").delete()
    names = [row[0] for row in people.STAFF if row[0] != by]
    StaffMember.objects.filter(username__in=names, last_name="(sample)").delete()
    resolving.forget(by=by, now=now)
    flows.erase()
    record(by=by, action="sample.erase", subject="sample", now=now, counts=counts)
    stays = "Published policy editions and the audit record stay, as they always do: publish an edition of your own."
    return f"Erased: {', '.join(f'{number} {what}' for what, number in counts.items())}. {stays}"


@contextmanager
def as_owner() -> Iterator[Any]:
    """Somebody who may delete what the application may only add to. What is done so is committed by itself."""
    with psycopg.connect(connections.owner_url()) as connection:
        yield connection


def _erase_orders(customers: list[int]) -> None:
    """The simulated orders. Their entries and credits are append-only for the application, so the owner deletes them."""
    with as_owner() as owner:
        owner.execute("DELETE FROM enforcement_credit WHERE customer_id = ANY(%s)", [customers])
        owner.execute(
            "DELETE FROM enforcement_orderentry WHERE order_id IN (SELECT id FROM enforcement_order WHERE customer_id = ANY(%s))",
            [customers],
        )
    orders = Order.objects.filter(customer__in=customers)
    Interruption.objects.filter(order__in=orders).delete()
    WorkOrder.objects.filter(tag__in=orders.exclude(tag="").values("tag")).delete()
    orders.update(rides_on=None)
    orders.delete()


def _refuse_what_is_held(customers, submissions, by: str, now: datetime) -> None:  # type: ignore[no-untyped-def]
    """What the policy itself held of its cases (before a service is cut) goes with them; what a person held does not."""
    keep_holds_still()
    cases = [f"case:{number}" for number in Case.objects.filter(customer__in=customers).values_list("pk", flat=True)]
    for hold in Hold.objects.filter(released_at=None, scope__in=cases, placed_by=keeping.BY):
        release_hold(hold=hold, by=by, reason="the sample is erased", now=now)
    held = holds.in_force()
    reached = customers.filter(Q(pk__in=held.customers) | Q(cases__in=held.cases)).exists()
    if reached or holds.blobs(list(submissions.values_list("blob", flat=True))):
        raise Refused("a hold reaches a part of the sample: Settings › Holds shows it; it must be released first")


def _erase_cases(numbers: list[int]) -> None:
    MovedEvent.objects.filter(from_case__in=numbers).delete()
    RefusalMatch.objects.filter(Q(refusal__case__in=numbers) | Q(customer__cases__in=numbers)).delete()
    CaseChange.objects.filter(moved__isnull=True).delete()
    OutboxMessage.objects.filter(reference__in=[f"case:{number}" for number in numbers]).delete()
    _erase_what_hangs_on(numbers)
    CaseLink.objects.filter(case__in=numbers).delete()
    CaseReport.objects.filter(case__in=numbers).delete()
    JournalEntry.objects.filter(case__in=numbers).delete()
    Case.objects.filter(pk__in=numbers).update(parent=None, merged_into=None)
    Case.objects.filter(pk__in=numbers).delete()


def _erase_what_hangs_on(numbers: list[int]) -> None:
    """Clocks, notices, measures and the like: rows that hold their case, some of which hold each other."""
    held = [row for row in Case._meta.related_objects if row.related_model not in {Case, CaseReport, JournalEntry}]
    for _ in held:
        left = []
        for relation in held:
            try:
                with transaction.atomic():
                    relation.related_model.objects.filter(**{f"{relation.field.name}__in": numbers}).delete()  # type: ignore[union-attr, attr-defined]
            except ProtectedError:
                left.append(relation)
        held = left


def _erase_reports(reports: list[int], reporters: set[int], customers: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reports_event WHERE report_id = ANY(%s) OR customer_id = ANY(%s)", [reports, customers])
    Tally.objects.filter(customer_id__in=customers).delete()
    FeedDelivery.objects.filter(report__in=reports).delete()
    Report.objects.filter(pk__in=reports).delete()
    known = [key for key, _, _ in people.REPORTERS]
    for rows in (Reporter.objects.filter(pk__in=reporters), Reporter.objects.filter(key__in=known)):
        keys = list(rows.values_list("key", flat=True))
        OptOut.objects.filter(address__in=keys).delete()
        used = set(Report.objects.filter(reporter__in=rows).values_list("reporter", flat=True))
        rows.exclude(pk__in=used).delete()


def _erase_intake(submissions, sources, by: str, now: datetime) -> None:  # type: ignore[no-untyped-def]
    blobs = set(submissions.values_list("blob", flat=True))
    Correction.objects.filter(submission__in=submissions).delete()
    OutboxMessage.objects.filter(
        reference__in=[f"submission:{number}" for number in submissions.values_list("pk", flat=True)]
    ).delete()
    submissions.delete()
    shared = set(Submission.objects.filter(blob__in=blobs).values_list("blob", flat=True))
    for blob in Blob.objects.filter(pk__in=blobs - shared, wrapped_key__isnull=False):
        erase_unseen(blob=blob, held=holds.blobs, reason="the sample was erased", by=by, now=now)
    sources.delete()


def _erase_inventory(customers) -> None:  # type: ignore[no-untyped-def]
    ledgers = InventorySource.objects.filter(name__in=people.LEDGERS)
    services = Service.objects.filter(customer__in=customers)
    AcceptedRisk.objects.filter(customer__in=customers).delete()
    for rows in (Assignment, ServiceName):
        rows.objects.filter(service__in=services).delete()
    OwnPrefix.objects.filter(source__in=ledgers).delete()
    services.delete()
    Acceptance.objects.filter(customer__in=customers).delete()
    addresses = list(Contact.objects.filter(customer__in=customers).values_list("email", flat=True))
    PortalSession.objects.filter(email__in=addresses).delete()
    SignInLink.objects.filter(email__in=addresses).delete()
    Contact.objects.filter(customer__in=customers).delete()
    AddressToConfirm.objects.filter(customer__in=customers).delete()
    with as_owner() as owner:
        owner.execute(
            "DELETE FROM accounts_contractterms WHERE customer_id = ANY(%s)", [list(customers.values_list("pk", flat=True))]
        )
    customers.update(parent=None)
    customers.delete()
    ledgers.delete()
    version, _ = InventoryVersion.objects.select_for_update().get_or_create(pk=1)
    InventoryVersion.objects.filter(pk=version.pk).update(number=version.number + 1)
