"""Processes that die for a test: a fresh program forks them, so that no thread of the test's own is ever forked.

Each lives the life of one measure as a worker does, and kills itself at the Nth boundary: before and after every call of
the peer, before and after every row that is written, inside transactions as well.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

CALLS = ("snapshot", "apply", "verify", "lift", "actual", "lift_together", "gone_together")
WRITERS = (
    ("moves", "move"), ("moves", "change"), ("moves", "note"), ("ending", "verified"), ("ending", "reverted"),
    ("ordering", "order_one"), ("feedback", "in_force"), ("feedback", "lifted"), ("feedback", "ordered"),
    ("riding", "carrier_for"), ("riding", "hand_over"), ("carrying", "carry"), ("worker", "lift_asked"),
    ("moves", "revert_many"), ("moves", "settle_many"), ("ending", "reverted_many"), ("interruptions", "end_many"),
    ("feedback", "lifted_many"), ("lifting", "together"),
)  # fmt: skip


class Boundaries:
    """Counts the boundaries that are passed, and ends this process for good at the one that was chosen (0: none)."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.passed = fatal, 0

    def around(self, function: Callable) -> Callable:
        def wrapped(*words: Any, **named: Any) -> Any:
            self.cross()
            result = function(*words, **named)
            self.cross()
            return result

        return wrapped

    def cross(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def live(measure: int, connector: str, fatal: int, then: str, many: int) -> None:
    """From the decision to ``then``: 'verified', or on to 'reverted', where ``many`` at once are taken away together."""
    from tipstaff.enforcement import lifting, registry, worker

    worker.SIDE_BY_SIDE, worker.RECONCILE, lifting.MANY = 1, 1e9, many
    boundaries = Boundaries(fatal)
    for name, function in WRITERS:
        module = import_module(f"tipstaff.enforcement.{name}")
        setattr(module, function, boundaries.around(getattr(module, function)))
    kind = registry.connector_class(connector)
    for name in CALLS:
        if hasattr(kind, name):
            setattr(kind, name, boundaries.around(getattr(kind, name)))
    from tipstaff.cases.models_measures import Measure

    if not Measure.objects.filter(pk=measure, state__in=["lifting", "lifted"]).exists():
        until("verified", measure)
        if then == "verified":
            return
        ask_back(measure)
    until("reverted", measure)


def until(state: str, measure: int) -> None:
    """Look as a worker does until the order of that measure is there."""
    from tests.enforcement import given
    from tipstaff.enforcement.models import Order
    from tipstaff.enforcement.worker import Worker

    for _ in range(60):
        Worker().step()
        order = Order.objects.filter(measure=measure).first()
        if order is not None and order.state == state:
            return
        if order is not None:
            given.soon(order)
    raise AssertionError(f"not {state}: {list(Order.objects.filter(measure=measure).values())}")


def ask_back(measure: int) -> None:
    from tipstaff.cases.models_measures import Measure
    from tipstaff.kernel.clock import now

    asked = {"state": "lifting", "lift_asked_at": now(), "lift_by": "bob", "lift_reason": "fixed"}
    Measure.objects.filter(pk=measure, state="in_force").update(**asked)


def _forking(pipe: Any, database_url: str) -> None:
    """The fresh program: forks a process for each question, and answers how it ended."""
    os.environ["DATABASE_URL"] = database_url
    from tipstaff.project import database

    database.setup_django()
    for name in ("tests.enforcement.given", "tipstaff.enforcement.worker", "tipstaff.enforcement.registry"):
        import_module(name)
    for connector in ("journal", "nftables", "bgp"):  # imported once here, not in each process that is to die
        import_module(f"tipstaff.enforcement.connectors.{connector}")
    _read_the_policy()
    while (asked := pipe.recv()) is not None:
        child = os.fork()
        if child == 0:
            try:
                live(*asked)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(3)
        _, status = os.waitpid(child, 0)
        pipe.send(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _read_the_policy() -> None:
    """Compiled once here, and known to every process that is forked; the connection is not shared with them."""
    from django.db import connections

    from tipstaff.policy import queries

    queries.published()
    connections.close_all()


@contextmanager
def mortals(database_url: str) -> Iterator[Callable[..., bool]]:
    """``die(measure, connector, fatal, then, many)``: live that life in a process of its own; whether it was killed on its way."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    program = context.Process(target=_forking, args=(theirs, database_url))
    program.start()

    def die(measure: int, connector: str, fatal: int, then: str = "reverted", many: int = 10) -> bool:
        ours.send((measure, connector, fatal, then, many))
        assert ours.poll(300), "the process hangs"
        ended = ours.recv()
        assert ended in {0, -signal.SIGKILL}, f"the process failed by itself at boundary {fatal}: {ended}"
        return ended != 0

    try:
        yield die
    finally:
        ours.send(None)
        program.join(10)
        program.kill()
