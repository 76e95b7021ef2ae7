"""What survives when every part of a running Tipstaff is killed at random, a hundred times, while everything pours in.

A real ``tipstaff up`` with its own database and a real router behind it where one is installed. Afterwards the tables, the
smarthost and the router are asked: nothing accepted may be lost, nothing may be there twice, no deadline missed, and at the
router stands what was ordered and no more.
"""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np

from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import environment
from tipstaff.project.bench import clocks, faults_orders, orders, world
from tipstaff.project.bench.faults_books import Books, lateness, waiting
from tipstaff.project.bench.faults_load import BLOCKS, Sender, Smarthost, Ways
from tipstaff.project.bench.faults_up import PAUSES, Killer, Up
from tipstaff.project.database import setup_django
from tipstaff.project.processes import wait_until

CLOCKS_A_SECOND = 10  # tickets whose clocks fall due, over the whole time
QUIET = 900.0  # seconds until everything that was begun has come to its end
AFTERWARDS = 5.0  # seconds that the load goes on when the last part was killed
DECISIONS = 4  # that there must be at least, for however long a busy machine takes


@click.command()
@click.option("--kills", default=100, show_default=True, help="How many; each part dies about equally often.")
@click.option("--seed", default=1, show_default=True, help="Of the order and the moments.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def faults(kills: int, seed: int, _json: bool) -> None:
    """Kill every part at random under load; count what was lost, doubled, missed and left behind."""
    click.echo(json.dumps(run(kills=kills, seed=seed)))


def run(*, kills: int = 100, seed: int = 1) -> dict[str, Any]:
    """``lost``, ``doubled``, ``missed_deadlines`` and ``doubled_orders`` must be 0; ``found`` names what is not."""
    began = time.monotonic()
    with _place() as place, Smarthost() as smarthost, faults_orders.peer(place) as (connector, settings, shown):
        up = Up(place / "state", smarthost.address)
        try:
            up.start()
            environment.choose_state(up.state)
            setup_django()
            result = _Run(up, smarthost, place / "drop", kills, random.Random(seed)).run(connector, settings)  # noqa: S311
        finally:
            _let_go()
            up.stop()
        return {"kills": kills, **result, "connector": shown, "seconds": round(time.monotonic() - began), **_machine()}


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "load_average": round(os.getloadavg()[1], 1)}


@contextmanager
def _place() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="tipstaff-faults-"))
    place.chmod(0o711)
    (place / "drop").mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _let_go() -> None:
    from django.apps import apps

    if apps.ready:
        from django.db import connections

        connections.close_all()


class _Run:
    """The world, the load, the kills, the quiet, the books."""

    def __init__(self, up: Up, smarthost: Smarthost, folder: Path, kills: int, chance: random.Random) -> None:
        from tipstaff.kernel.clock import now

        self.up, self.smarthost, self.folder, self.kills, self.chance = up, smarthost, folder, kills, chance
        self.base = (now() - timedelta(days=5)).replace(microsecond=0)
        self.killer = Killer(up, chance)

    def run(self, connector: str, settings: dict[str, str]) -> dict[str, Any]:
        service = self._world()
        endpoint = orders.endpoint_of(connector, settings)
        seconds = self.kills * sum(PAUSES) / 2
        cases = clocks.load(round(CLOCKS_A_SECOND * seconds), _soon(), np.random.default_rng(1), seconds)
        senders = Ways(self.base, self.up.smtp_port, f"http://127.0.0.1:{self.up.port}", _token(), self.folder).senders()
        deciding = faults_orders.Deciding(endpoint, service, self.chance)
        parts: list[Sender | faults_orders.Deciding] = [*senders, deciding]
        for one in parts:
            one.start()
        try:
            self.killer.kill(self.kills)
            time.sleep(AFTERWARDS)
            wait_until(lambda: len(deciding.decided) >= DECISIONS or bool(deciding.failure), QUIET)
        finally:
            for one in parts:
                one.enough.set()
        left = self._quiet(senders)
        deciding.given_up.set()
        deciding.join(30)
        if deciding.failure:
            raise TipstaffError(deciding.failure)
        return self._result(Books(senders, self.smarthost, self.base), cases, endpoint, deciding.decided, left)

    def _world(self) -> Any:
        """Customers of the benchmarks' world, who also hold the addresses of the load, and one whose machines are blocked."""
        from django.db import connection

        from tipstaff.kernel.clock import now

        world.build(customers=1000, prefixes=1000)
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO accounts_assignment (prefix, period, service_id, ports, shared, recorded_at, external_id)
                   SELECT ('10.200.' || n || '.0/24')::cidr, tstzrange(%s, NULL),
                       (SELECT id FROM accounts_service ORDER BY id OFFSET n LIMIT 1), '[0,65536)', false, %s, 'fault' || n
                   FROM generate_series(0, %s) n""",
                [world.LONG_AGO, now(), BLOCKS - 1],
            )
            cursor.execute(
                """INSERT INTO accounts_inventoryversion (id, number, at) VALUES (1, 1, %s)
                   ON CONFLICT (id) DO UPDATE SET number = accounts_inventoryversion.number + 1""",
                [now()],
            )
        _folder_source(self.folder)
        return orders.provider(10_000)

    def _quiet(self, senders: list[Sender]) -> dict[str, int]:
        """Wait until all that was begun is done; what is left after QUIET seconds is shown, and counts."""
        for one in senders:
            one.join(QUIET)
            one.given_up.set()
        left: dict[str, int] = {}

        def nothing() -> bool:
            left.clear()
            left.update({name: many for name, many in self._under_way().items() if many})
            return not left

        wait_until(nothing, QUIET, step=1)
        return left

    def _under_way(self) -> dict[str, int]:
        from django.db import InterfaceError, OperationalError, connection

        try:
            return waiting(self.up.state, self.folder) | {"orders": faults_orders.unsettled()}
        except (OperationalError, InterfaceError):
            connection.close()
            return {"database": 1}

    def _result(self, books: Books, cases: list[int], endpoint: Any, decided: list[str], left: dict[str, int]) -> dict[str, Any]:
        from tipstaff.audit import verifying

        verdict = verifying.verify()
        wrong_orders = faults_orders.examine(endpoint, decided)
        figures = {name: wrong_orders.pop(name) for name in ("drifted", "ran_out_before_ordered")}
        counts = {
            "lost": books.lost() | {f"under_way_{name}": many for name, many in left.items() if name not in ("clocks", "orders")},
            "doubled": books.doubled(),
            "missed_deadlines": books.missed(cases),
            "doubled_orders": wrong_orders | {f"under_way_{name}": many for name, many in left.items() if name == "orders"},
        }
        accepted = {one.name: len(one.poured.taken) for one in books.senders}
        return {
            **{name: sum(found.values()) for name, found in counts.items()},
            "found": {name: {what: many for what, many in found.items() if many} for name, found in counts.items()},
            "killed": dict(sorted(self.killer.killed.items())),
            "accepted": accepted,
            "tries": {one.name: one.poured.tries for one in books.senders},
            "messages": len(self.smarthost.received),
            **_held(),
            "deadlines": len(cases), "latest_s": lateness(), "orders": len(decided), **figures,
            "sealed": verdict.sealed, "record_faults": len(verdict.faults),
        }  # fmt: skip


def _held() -> dict[str, int]:
    """Messages whose arrival nobody can know: a person decides, see correspondence/delivery.py."""
    from tipstaff.correspondence.models import OutboxMessage

    return {"messages_held_for_a_person": OutboxMessage.objects.filter(state="held").count()}


def _soon() -> datetime:
    from tipstaff.kernel.clock import now

    return now() + timedelta(seconds=5)


def _token() -> str:
    from tipstaff.faces.api import services
    from tipstaff.kernel.clock import now

    return services.create_token(name="sensor", scopes=["reports:write"], lasts=timedelta(days=1), by="bench", now=now())[1]


def _folder_source(folder: Path) -> None:
    from tipstaff.intake.sources import services
    from tipstaff.kernel.clock import now

    services.add(
        name="drop", kind="files", settings={"folder": str(folder), "settle": 1}, expected_every=None, by="bench", now=now()
    )
