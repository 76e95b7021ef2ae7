"""Many acceptances, one wait for the disk: what arrives while a group is being written goes into the next group."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tipstaff.intake.spool import Accepted, Spool

log = logging.getLogger(__name__)
MOST = 64  # acceptances of one group
MOST_BYTES = 64 << 20


class Committer:
    """Puts acceptances into the spool. ``put`` returns when the bytes and their name are on the disk, or raises OSError.

    Belongs to one event loop; the writing itself happens in a thread of its own.
    """

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._waiting: list[tuple[Accepted, asyncio.Future[None]]] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._task: asyncio.Task[None] | None = None

    async def put(self, item: Accepted) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        await done

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._task is not None:
            await self._task
        self._writer.shutdown(wait=True)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = self._take()
            errors = await loop.run_in_executor(self._writer, self._write, [item for item, _ in group])
            for (_, done), error in zip(group, errors, strict=True):
                if done.cancelled():  # the client went away while it was written: it will send it again
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    def _take(self) -> list[tuple[Accepted, "asyncio.Future[None]"]]:
        size = count = 0
        for item, _ in self._waiting[:MOST]:
            size += len(item.content)
            if count and size > MOST_BYTES:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _write(self, items: Sequence[Accepted]) -> list[Exception | None]:
        """One outcome for each. When a group fails, each is tried alone: one that is too large must not cost the others."""
        try:
            self.spool.put(items)
            return [None] * len(items)
        except Exception as error:
            if len(items) == 1:
                log.error("not accepted, the spool %s cannot be written: %s", self.spool.directory, error)
                return [error]
        return [self._write([item])[0] for item in items]
