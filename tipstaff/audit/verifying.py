"""Whether the record is what was written: the whole chain, the entries under it, and heads kept elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tipstaff.audit import anchors, chain
from tipstaff.audit.chain import Fault, Head
from tipstaff.audit.reading import Tail, links, tail


@dataclass(frozen=True)
class Verdict:
    """How many entries are sealed, the end of the chain, everything that is wrong, the unsealed tail, heads compared."""

    sealed: int
    head: Head
    faults: list[Fault]
    tail: Tail
    anchors: int

    @property
    def sound(self) -> bool:
        return not self.faults


def verify(files: Iterable[Path] = ()) -> Verdict:
    """Examine the stored chain beside the heads in ``files``, and those in the state directory where there are any."""
    known = anchors.default_path()
    heads = list(anchors.read([*files, *([known] if known.exists() else [])]))
    found = chain.examine(links(), heads)
    return Verdict(found.count, found.head, found.faults, tail(), len(heads))
