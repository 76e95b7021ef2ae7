"""What the ways in note about themselves: where they stand, whether they work, whose turn a pull is."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from tipstaff.audit.services import record
from tipstaff.intake.models import Source
from tipstaff.intake.reading.feeds.mapping import mark_of
from tipstaff.intake.sources.catalogue import FED, check
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.kernel.text import one_line

LEASE = timedelta(minutes=15)  # a pull whose worker was killed comes back after this
ERROR = 500  # characters of an error that are kept, in one line: what a server said is shown on terminals


def worked(*, source: int, now: datetime) -> None:
    """The source answered, whether or not it had anything."""
    Source.objects.filter(pk=source).update(last_ok_at=now, last_error="")


def failed(*, source: int, error: str, now: datetime) -> None:
    Source.objects.filter(pk=source).update(last_error=one_line(error, ERROR), last_error_at=now)


def failed_by_name(*, name: str, error: str, now: datetime) -> None:
    """The same for a source that was made by its first message."""
    Source.objects.filter(name=name).update(last_error=one_line(error, ERROR), last_error_at=now)


def advance(*, source: int, part: str, position: Mapping[str, Any]) -> None:
    """Note where one part of a source (a mailbox) stands; other parts may advance at the same time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intake_source SET cursor = cursor || jsonb_build_object(%s::text, %s::jsonb) WHERE id = %s",
            [part, json.dumps(dict(position)), source],
        )


def claim_due(*, kind: str, setting: str, now: datetime) -> Source | None:
    """Take the source of that kind that is due longest; nobody else gets it for ``LEASE``. None where none is due.

    One without ``setting`` has nothing to be asked: its deliveries came by other ways.
    """
    with transaction.atomic():
        due = Source.objects.filter(Q(due_at__lte=now) | Q(due_at=None), kind=kind, enabled=True, settings__has_key=setting)
        source = due.select_for_update(skip_locked=True).order_by("due_at", "id").first()
        if source is not None:
            source.due_at = now + LEASE
            source.save(update_fields=["due_at"])
    return source


def pulled(*, source: Source, cursor: Mapping[str, Any], due_at: datetime, now: datetime, error: str = "") -> bool:
    """End a claim: keep the position, set the next turn. False when the claim had lapsed and somebody else has it."""
    mine = Source.objects.filter(pk=source.pk, due_at=source.due_at)
    outcome: dict[str, Any] = (
        {"last_error": one_line(error, ERROR), "last_error_at": now} if error else {"last_ok_at": now, "last_error": ""}
    )
    return bool(mine.update(cursor=dict(cursor), due_at=due_at, **outcome))


def ensure_listener(*, name: str, kind: str, own_addresses: Sequence[str], now: datetime) -> None:
    """The source of a listener from its start on, so that it has a health line and can be given settings.

    What mail is taken for tells the reading our own addresses, unless an operator said otherwise.
    """
    own = {"own_addresses": [address for address in own_addresses if "@" in address]} if own_addresses else {}
    source, made = Source.objects.get_or_create(name=name, defaults={"kind": kind, "settings": own, "created_at": now})
    if not made and own and "own_addresses" not in source.settings:
        Source.objects.filter(pk=source.pk).update(settings=source.settings | own)


def configure(*, name: str, changes: Mapping[str, Any], expected_every: timedelta | None, by: str, now: datetime) -> Source:
    """Change settings (None removes one) and the time after which silence is an alarm (None: as it was)."""
    with transaction.atomic():
        source = Source.objects.select_for_update().filter(name=name).first()
        if source is None:
            raise NotFound(f"there is no source {name!r}; `tipstaff source list` shows them")
        merged = {key: value for key, value in (source.settings | dict(changes)).items() if value is not None}
        check(name=name, kind=source.kind, settings=merged, by_hand="folder" not in source.settings)
        source.settings, source.expected_every = merged, expected_every or source.expected_every
        source.save(update_fields=["settings", "expected_every"])
        record(by=by, action="source.configure", subject=f"source:{name}", now=now, changed=sorted(changes), **_mapping(changes))
    return source


@transaction.atomic
def set_mapping(*, name: str, mapping: str | None, seen: str | None, by: str, now: datetime) -> Source:
    """Say what the columns of a source's tables mean; None: nothing is said any more. ``seen``: the mapping that was looked at.

    Raises InputError naming lines and keys; Refused where somebody else changed it since it was looked at.
    """
    source = Source.objects.select_for_update().filter(name=name).first()
    if source is not None and source.settings.get("mapping") != seen:
        raise Refused(f"The mapping of {name} was changed while you worked on it. Open the page again and look at it first.")
    return configure(name=name, changes={"mapping": mapping}, expected_every=None, by=by, now=now)


def add(*, name: str, kind: str, settings: Mapping[str, Any], expected_every: timedelta | None, by: str, now: datetime) -> Source:
    """A new way in. Raises InputError naming each setting that is missing, unknown or wrong."""
    check(name=name, kind=kind, settings=settings)
    with transaction.atomic():
        if Source.objects.filter(name=name).exists():
            advice = "choose another name, or change the settings of that one"
            raise InputError(Problem(f"source {name}", "exists already", advice))
        source = Source.objects.create(name=name, kind=kind, settings=dict(settings), expected_every=expected_every, created_at=now)
        record(by=by, action="source.add", subject=f"source:{name}", now=now, kind=kind, **_mapping(settings))
    return source


def _mapping(stated: Mapping[str, Any]) -> dict[str, Any]:
    """For the record: the text by which tables are read from now on, which traces name by its mark alone."""
    text = stated.get("mapping")
    return {"mapping": text, "mark": mark_of(text)} if text else {}


@transaction.atomic
def watch(*, source: int, enabled: bool, expected_every: timedelta | None, by: str, now: datetime) -> Source:
    """Say after which silence a source is an alarm (None: never), and whether it is on; what others feed stays on."""
    found = Source.objects.select_for_update().filter(pk=source).first()
    if found is None:
        raise NotFound("There is no such source.")
    found.enabled, found.expected_every, found.silent_since = enabled or found.kind in FED, expected_every, None
    found.save(update_fields=["enabled", "expected_every", "silent_since"])
    minutes = int(expected_every.total_seconds() // 60) if expected_every else None
    record(by=by, action="source.change", subject=f"source:{found.name}", now=now, enabled=found.enabled, minutes=minutes)
    return found


def switch(*, name: str, enabled: bool, by: str, now: datetime) -> None:
    """Turn a way in on or off; what it took is kept."""
    with transaction.atomic():
        source = Source.objects.filter(name=name).first()
        if source is None:
            raise NotFound(f"there is no source {name!r}; `tipstaff source list` shows them")
        if source.kind in FED:
            advice = "revoke its token, or set the listener to `off` (TIPSTAFF_SMTP_LISTEN, TIPSTAFF_LMTP_LISTEN)"
            raise Refused(f"source {name!r} is fed by others and has no switch: {advice}")
        Source.objects.filter(pk=source.pk).update(enabled=enabled)
        record(by=by, action="source.switch", subject=f"source:{name}", now=now, enabled=enabled)
