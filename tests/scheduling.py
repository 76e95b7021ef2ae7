"""Which test runs when, and on which of the parallel workers."""

from itertools import count

import pytest
from xdist.scheduler import LoadScopeScheduling


def ordered(items: list[pytest.Item]) -> None:
    """What takes long first, so that no worker is left alone with it at the end; browsers last, of those again the slow ones first.

    A file with one slow test counts as slow: what its tests share is then made once.
    """
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: ("browser" in item.keywords, item.path not in slow))


class InRuns(LoadScopeScheduling):
    """Gives a worker all tests of a file that follow one another, in the order of the collection.

    What a module's tests share (servers, a sample, a browser's desk) is made on one worker and not on each.
    """

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)  # type: ignore[arg-type]
        self.runs: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        if not self.runs:
            numbers, before = count(), ""
            for one in self.collection or ():
                path = one.partition("::")[0]
                if path != before:
                    run, before = f"{next(numbers)} {path}", path
                self.runs[one] = run
        return self.runs[nodeid]
