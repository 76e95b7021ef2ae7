"""A real mail listener in a thread of this test, on a free port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tipstaff.intake.sources import smtp
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.project.commands.running import free_port


@dataclass
class Running:
    listening: smtp.Listening
    spool: Spool
    reception: smtp.Reception

    @property
    def address(self) -> tuple[str, int]:
        return self.listening.host, self.listening.port

    def taken(self) -> list[Accepted]:
        return list(self.spool.read(self.spool.waiting()))


@contextmanager
def listener(spool: Spool, **changes: Any) -> Iterator[Running]:
    """The listener with these settings; ends, and has written all it accepted, when the block ends."""
    listening = replace(smtp.Listening(port=free_port(), hostname="desk.example.net"), **changes)
    stop, ready = threading.Event(), threading.Event()
    receptions: list[smtp.Reception] = []
    failed: list[Exception] = []

    def opened(found: list[smtp.Reception]) -> None:
        receptions.extend(found)
        ready.set()

    def work() -> None:
        try:
            smtp.run([listening], spool, stop.is_set, opened)
        except Exception as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(10)
        if failed:
            raise failed[0]
        yield Running(listening, spool, receptions[0])
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
