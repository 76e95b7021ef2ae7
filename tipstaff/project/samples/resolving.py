"""How the story goes on once customers were told: what they answered, what was blocked, appealed against and given back.

Clocks fire at their moments, letters lie in the local outbox of the sample, orders are written to a file by the connector that
only simulates. Nothing real is touched and nothing leaves.
"""

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from tipstaff.accounts.models import Contact
from tipstaff.cases import appeals, restriction, services, statements, stating, sweeper
from tipstaff.cases.models import Approval, Case, Clock, Measure
from tipstaff.cases.models_time import RUNNING
from tipstaff.correspondence.local import LocalOutbox
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.worker import Delivery
from tipstaff.enforcement import endpoints, interruptions, switches
from tipstaff.enforcement.models import Endpoint
from tipstaff.enforcement.worker import Worker as Enforcement
from tipstaff.kernel import clock
from tipstaff.pipeline import telling
from tipstaff.project.samples import mails

LETTERS = 1_000_000  # all of them
BY = "system:sample"
GATEWAY = "sample-gateway"
UNDER_WAY = ("decided", "ordered", "lifting")
H = timedelta(hours=1)
ANSWERS, APPROVES = timedelta(minutes=40), timedelta(hours=1)
ROUNDS = 12  # looks of enforcement at one moment; an order takes a few
Act = Callable[[datetime], object]
FACTS = {"harmed_party": "third_party", "surface": "service", "mode": "engage", "actor": "customer", "fault": "negligent"}
SEEN = "Looked at, and noted on the case."


def outbox_directory() -> Path:
    """Where the sample's letters lie; goes with the sample."""
    return Path(settings.STATE) / "outbox" / "sample"


def gateway_file() -> Path:
    return Path(settings.STATE) / "sample-gateway.jsonl"


def furnish(now: datetime) -> None:
    """A gateway that writes down what it would do, and acts on nothing."""
    path = gateway_file()
    made = endpoints.add(name=GATEWAY, connector="journal", settings={"path": str(path)}, by=BY, now=now, rank=1)
    endpoints.set_live(endpoint=made, live=True, by=BY, reason="the sample only simulates", now=now)
    switches.go_live(live=True, by=BY, reason="the sample only simulates", now=now)


def forget(*, by: str, now: datetime) -> None:
    """The gateway, its file and the letters; orders act on nothing again until somebody says so."""
    if Endpoint.objects.filter(name=GATEWAY).delete()[0]:
        switches.go_live(live=False, by=BY, reason=f"{by} erased the sample", now=now)
    gateway_file().unlink(missing_ok=True)
    shutil.rmtree(outbox_directory(), ignore_errors=True)


def post() -> int:
    """Deliver what waits, at the present moment of the story. Returns how many letters."""
    done, moment = 0, clock.now()
    deliverer: Delivery | None = None
    while OutboxMessage.objects.filter(state="waiting", not_before__lte=moment).exists():
        deliverer = deliverer or Delivery(local=LocalOutbox(outbox_directory(), clock.now))
        tried = deliverer.step(threading.Event())
        if not tried:
            break
        done += tried
    return done


@dataclass
class Story:
    """Time from the first answer to the end: scenes that people play, and clocks that run out in between."""

    end: datetime
    scenes: list[tuple[datetime, Act]] = field(default_factory=list)
    enforcement: Enforcement | None = None

    def run(self) -> None:
        self._prepare()
        at = self.end - timedelta(days=31)
        while (following := self._next()) is not None and following <= self.end:
            at = max(at, following)
            with clock.frozen(at):
                while self.scenes and self.scenes[0][0] <= at:
                    self.scenes.pop(0)[1](at)
                self._look(at)
        with clock.frozen(self.end):
            self._look(self.end)

    def _prepare(self) -> None:
        """Who does what, and when."""
        if (wrong := _about(mails.WRONGLY)) is not None:
            self._at(wrong.opened_at + 0.2 * H, lambda at: _block(wrong, "the beacon was seen twice", at))
            self._at(wrong.opened_at + 0.9 * H, lambda at: _appeal(wrong, "It is our sinkhole: it receives beacons.", at))
            self._at(wrong.opened_at + 2.6 * H, lambda at: _overturn(wrong, "The beacons go to it and not from it.", at))
        if (standing := _about(mails.APPEALED)) is not None:
            self._at(standing.opened_at + 0.2 * H, lambda at: _block(standing, "it steers others at this moment", at))
            self._at(standing.opened_at + 2.5 * H, lambda at: _appeal(standing, "The account was closed at once.", at))
        for case in _told().filter(customer__external_id="sample:larkfield").exclude(category="phishing"):
            if (at := (case.ticketed_at or case.opened_at) + ANSWERS) <= self.end:
                self._at(at, lambda at, number=case.pk: _plan(number, at))  # type: ignore[misc]

    def _at(self, moment: datetime, act: Act) -> None:
        self.scenes.append((moment, act))
        self.scenes.sort(key=lambda scene: scene[0])

    def _next(self) -> datetime | None:
        due = Clock.objects.filter(RUNNING, due_at__lte=self.end).order_by("due_at").values_list("due_at", flat=True).first()
        return min(filter(None, (due, self.scenes[0][0] if self.scenes else None)), default=None)

    def _look(self, at: datetime) -> None:
        """Every loop of the product, until none finds anything."""
        while sweeper.fire_due(now=at):
            pass
        for row in Approval.objects.filter(requested_by="system:clock", approved_at=None, refused_at=None):
            if at >= row.requested_at + APPROVES:
                _say_what_is_asked(row.case, "alice", at)
                restriction.approve(approval=row.pk, by="alice" if row.role == "analyst" else "bob", now=at)
            elif row.requested_at + APPROVES <= self.end:
                self._at(row.requested_at + APPROVES, _nothing)
        telling.tell(now=at, most=LETTERS)
        self.enforcement = self.enforcement or Enforcement()
        for _ in range(ROUNDS):
            if not Measure.objects.filter(state__in=UNDER_WAY).exists():
                break
            self.enforcement.step()
        interruptions.give_back(now=at)
        telling.tell(now=at, most=LETTERS)
        if OutboxMessage.objects.filter(state="waiting", not_before__lte=at).exists():
            post()


def _nothing(at: datetime) -> None:
    """A moment at which the loops look."""


def _told():  # type: ignore[no-untyped-def]
    return Case.objects.filter(closed_at__isnull=True, ticketed_at__isnull=False).order_by("pk")


def _about(address: str) -> Case | None:
    return _told().filter(headline=address).first()


def _contact(case: Case) -> str:
    return f"contact:{Contact.objects.filter(customer=case.customer_id).order_by('pk').values_list('pk', flat=True)[0]}"


def _say_what_is_asked(case: Case, by: str, at: datetime) -> None:
    """Alice gives the facts that the policy wants before a service is restricted."""
    asked = stating.before_restricting(case)
    facts = {one.code: FACTS.get(one.code) or next(iter(one.values), "of this country") for one in asked if not one.point}
    services.set_facts(case=case.pk, facts=facts, by=by, now=at)
    stating.state(case=case.pk, points={one.code: SEEN for one in asked if one.point}, by=by, now=at)


def _block(case: Case, reason: str, at: datetime) -> None:
    restriction.emergency(
        case=case.pk, kind="block", scope="machine", target=case.headline, reason=reason, hours=24, by="alice", now=at
    )


def _appeal(case: Case, grounds: str, at: datetime) -> None:
    statements.seen(case=case.pk, by=_contact(case), now=at)
    appeals.file(case=case.pk, grounds=grounds, by=_contact(case), now=at)


def _overturn(case: Case, reason: str, at: datetime) -> None:
    found = case.appeals.get(decided_at=None)
    appeals.decide(appeal=found.pk, decision="overturned", reason=reason, by="bob", now=at)


def _plan(number: int, at: datetime) -> None:
    case = Case.objects.get(pk=number)
    statements.plan(
        case=number, cause="An old plugin let somebody in.", fix="The plugin is removed, passwords are new.",
        prevention="Updates are automatic now.", promised_at=at + timedelta(days=1), by=_contact(case), now=at,
    )  # fmt: skip


def cast() -> dict[str, Case]:
    """The cases that show a part of the story each, by that part."""
    rows = {
        "acknowledged": Case.objects.filter(state="ACKNOWLEDGED"),
        "disconnected": Case.objects.filter(state="DISCONNECTED"),
        "appeal": Case.objects.filter(state="APPEAL"),
        "credit": Case.objects.filter(headline=mails.WRONGLY),
    }
    found = {part: chosen.order_by("-pk").first() for part, chosen in rows.items()}
    return {part: case for part, case in found.items() if case is not None}
