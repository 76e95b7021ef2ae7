"""Which test runs when, and on which of the parallel workers."""

from itertools import count

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Files whose tests take long each and share no more than the browser: any worker takes any of them.
APART = ("tests/faces/desk/test_browser.py", "tests/faces/portal/test_looks.py", "tests/faces/public/test_looks.py")


def ordered(items: list[pytest.Item]) -> None:
    """What takes long first, so that no worker is left alone with it at the end; browsers last, of those again the slow ones first.

    A file with one slow test counts as slow: what its tests share is then made once. Of the slow ones those whose tests
    belong together go before those that may be shared out one by one.
    """
    slow = {item.path for item in items if "slow" in item.keywords}

    def turn(item: pytest.Item) -> tuple[bool, bool, bool]:
        return "browser" in item.keywords, item.path not in slow, item.nodeid.startswith(APART)

    items.sort(key=turn)


class InRuns(LoadScopeScheduling):
    """Gives a worker all tests of a file that follow one another, in the order of the collection.

    What a module's tests share (servers, a sample, a browser's desk) is made on one worker and not on each. Tests of the
    files APART are given one by one.
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
                if path != before or path in APART:
                    run, before = f"{next(numbers)} {path}", path
                self.runs[one] = run
        return self.runs[nodeid]
