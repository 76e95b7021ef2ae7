"""Configured connectors: adding, changing, letting them act, and building the thing that acts."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NoReturn, cast

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.enforcement import access, registry, transitions
from tipstaff.enforcement.choosing import Offer
from tipstaff.enforcement.connectors.contract import Connector
from tipstaff.enforcement.models import Endpoint, Order
from tipstaff.enforcement.rails import Bounds
from tipstaff.intake.sources.credentials import credential, wrong_name
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

NOWHERE = Bounds(instance="")  # lets nothing through; for looking at settings and plans
BY, BY_HAND = "system:enforcement", "by-hand"
AWAY_AT_MOST = timedelta(minutes=2)


def named(name: str) -> Endpoint:
    found = Endpoint.objects.filter(name=name, retired_at__isnull=True).first()
    if found is None:
        raise NotFound(f"there is no connector {name!r}; `tipstaff connector list` shows them")
    return found


def all_active(now: datetime) -> list[Endpoint]:
    """What may be chosen from, best first. A person who does it by hand is always there."""
    Endpoint.objects.get_or_create(
        name=BY_HAND, defaults={"connector": "person", "live": True, "added_by": BY, "added_at": now, "rank": 1000}
    )
    return list(Endpoint.objects.filter(retired_at__isnull=True).order_by("rank", "name"))


class PlansOnly:
    """A connector in shadow mode: it says what it would do, and touches and asks nobody."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self.name, self.label, self.form, self.does = connector.name, connector.label, connector.form, connector.does
        self.timeout = connector.timeout
        self.plan = connector.plan

    def __getattr__(self, name: str) -> NoReturn:
        raise Refused(f"no connector is used: {shadow.WHY}")


def build(endpoint: Endpoint, bounds: Bounds = NOWHERE) -> Connector:
    """The connector of an endpoint, within bounds; in shadow mode one that only plans. Raises InputError on wrong settings."""

    def secret(name: str) -> str:
        return credential(name, where=f"connector {endpoint.name}")

    built = registry.build(endpoint.connector, endpoint.settings, bounds, secret)
    return cast("Connector", PlansOnly(built)) if shadow.is_on() else built


def offers(endpoints: Iterable[Endpoint]) -> list[Offer]:
    found = []
    for one in endpoints:
        try:
            does = registry.connector_class(one.connector).does
        except InputError:
            continue  # its package was removed; the endpoint says so on the screen
        found.append(Offer(one.pk, one.name, one.connector, frozenset(does), one.rank))
    return found


@transaction.atomic
def add(*, name: str, connector: str, settings: Mapping[str, str], by: str, now: datetime, rank: int = 100) -> Endpoint:
    """Configure a connector, in dry run. Raises InputError naming every setting that is wrong."""
    access.require_or_program(by, access.SETTINGS)
    _check(name, connector, settings)
    if Endpoint.objects.filter(name=name).exists():
        raise InputError(Problem("name", f"there is a {name!r} already", "names of retired ones are not used again"))
    made = Endpoint.objects.create(name=name, connector=connector, settings=dict(settings), rank=rank, added_by=by, added_at=now)
    record(by=by, action="connector.add", subject=f"connector:{made.pk}", now=now, connector=connector)
    return made


@transaction.atomic
def configure(*, endpoint: Endpoint, settings: Mapping[str, str], by: str, now: datetime) -> None:
    """Give it other settings. Refused while anything of ours stands there: it could no longer be taken away."""
    access.require(by, access.SETTINGS)
    _check(endpoint.name, endpoint.connector, settings)
    if _standing(endpoint):
        raise Refused(f"{endpoint.name} holds orders; lift them first, or add a second connector")
    Endpoint.objects.filter(pk=endpoint.pk).update(settings=dict(settings), problem="", try_again_at=None)
    record(by=by, action="connector.configure", subject=f"connector:{endpoint.pk}", now=now)


@transaction.atomic
def set_live(*, endpoint: Endpoint, live: bool, by: str, reason: str, now: datetime) -> None:
    """Let it act, or take it back to dry run; what stands there is still verified and lifted."""
    access.require_or_program(by, access.SETTINGS)
    Endpoint.objects.filter(pk=endpoint.pk).update(live=live)
    action = "connector.live" if live else "connector.dry_run"
    record(by=by, action=action, subject=f"connector:{endpoint.pk}", now=now, reason=reason)


@transaction.atomic
def retire(*, endpoint: Endpoint, by: str, reason: str, now: datetime) -> None:
    access.require(by, access.SETTINGS)
    if _standing(endpoint):
        raise Refused(f"{endpoint.name} holds orders; lift them first")
    Endpoint.objects.filter(pk=endpoint.pk).update(retired_at=now, live=False)
    record(by=by, action="connector.retire", subject=f"connector:{endpoint.pk}", now=now, reason=reason)


def away(endpoint: Endpoint, problem: str, now: datetime) -> None:
    """Note that its peer does not answer; it is left alone for a while that doubles up to AWAY_AT_MOST."""
    since = endpoint.away_since or now
    pause = min(max(timedelta(seconds=1), now - since), AWAY_AT_MOST)
    endpoint.away_since, endpoint.try_again_at, endpoint.problem = since, now + pause, problem
    endpoint.save(update_fields=["away_since", "try_again_at", "problem"])


def waits(endpoint: Endpoint, moment: datetime) -> bool:
    """Whether it is left alone at this moment. Longer than AWAY_AT_MOST it never is: then the clock was set back."""
    again = endpoint.try_again_at
    return again is not None and moment < again <= moment + AWAY_AT_MOST


def back(endpoint: Endpoint) -> None:
    if endpoint.away_since is not None or endpoint.problem:
        endpoint.away_since, endpoint.try_again_at, endpoint.problem = None, None, ""
        endpoint.save(update_fields=["away_since", "try_again_at", "problem"])


def _standing(endpoint: Endpoint) -> bool:
    return Order.objects.filter(endpoint=endpoint, state__in=transitions.TOUCHED).exists()


def _check(name: str, connector: str, settings: Mapping[str, str]) -> None:
    problems = []
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
        problems.append(Problem("name", f"{name[:60]!r} cannot be one", "letters, digits, - and _, at most 40"))
    form = registry.connector_class(connector).form
    for field in form:
        if field.secret and settings.get(field.name) and (wrong := wrong_name(settings[field.name], where=field.name)):
            problems.append(wrong)
    if problems:
        raise InputError(problems)
    registry.build(connector, settings, NOWHERE, lambda variable: "not looked up")
