"""Names that services hold during periods: host names, domains with all below them, mailboxes. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class NameRow(NamedTuple):
    """A name of a service: kind 'host', 'domain' or 'mailbox', value in lower case, period [start, end) in µs."""

    kind: str
    value: str
    service: int
    customer: int
    start: int
    end: int
    source: int = -1


@dataclass
class NameIndex:
    rows: dict[tuple[str, str], list[NameRow]] = field(default_factory=dict)

    @classmethod
    def build(cls, rows: Sequence[NameRow]) -> "NameIndex":
        index = cls()
        for row in rows:
            if row.start < row.end:
                index.rows.setdefault((row.kind, row.value), []).append(row)
        return index

    def levels(self, host: str | None, mailbox: str | None) -> list[list[NameRow]]:
        """Rows that a host name or mailbox touches at any time, the most telling level first; empty levels left out.

        The exact host, then its domain from the longest suffix on, then the exact mailbox, then the mailbox's domain.
        """
        keys = _keys(_plain(host), _plain(mailbox))
        return [found for key in keys if (found := self.rows.get(key))]


def _plain(name: str | None) -> str:
    return name.strip().rstrip(".").lower() if name else ""


def _keys(host: str, mailbox: str) -> Iterator[tuple[str, str]]:
    if host:
        yield "host", host
        yield from (("domain", suffix) for suffix in _suffixes(host))
    if mailbox:
        yield "mailbox", mailbox
        domain = mailbox.rpartition("@")[2]
        if domain != mailbox:
            yield from (("domain", suffix) for suffix in _suffixes(domain))


def _suffixes(name: str) -> Iterator[str]:
    """The name and its parents on label boundaries; names longer than DNS allows (253) have none."""
    while name and len(name) <= 253:
        yield name
        name = name.partition(".")[2]
