"""Rows of text to events as columns: addresses, ports, times and identities, a million at a time.

The outcome has the columns of ``drafts.TABLE_COLUMNS``. What a row states and cannot be is told with the row's number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
import polars as pl

from tipstaff.intake.reading.feeds.moments import read_moments
from tipstaff.intake.reading.feeds.separated import Rows
from tipstaff.intake.reading.indicators import normal_domain, normal_ip, normal_url, refang
from tipstaff.kernel import addresses

SEPARATOR = "\x1f"  # between the values of an identity
_BLANKS = ("-", "--", "n/a", "none", "null", "unknown", "nil", "\\n")
NOTHING = ("", *(form for word in _BLANKS for form in dict.fromkeys((word, word.upper(), word.title()))))
MOST_TOLD = 20  # rows named in one warning
MOST_STRANGE = 20_000  # different odd values read one by one; those beyond are refused
_HOST = r"^[a-z0-9]+://(?:[^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#:@\[\]]+)"  # of a URL in its normal form
_WITH_PORT = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[0-9]+(?:\.[0-9]+){3}):([0-9]{1,5})$")
MOST_FOREIGN = 2_000  # different names outside ASCII that one file may bring
FEW = 200  # rows up to which a list of Python's costs less than a call of polars
_WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))  # as polars
_DROPPED = dict.fromkeys(map(ord, '"\\\x1f'))
_LONGEST_NOTHING = max(map(len, _BLANKS))
_NO_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - what feeds write for "none"


@dataclass(frozen=True)
class Layout:
    """Which column says what about the accused. Columns are named in their normal form; None: no column does."""

    time: tuple[str, ...] = ()  # joined with a space
    zone: str | None = None  # IANA name or '+01:00': of times that state none
    formats: tuple[str, ...] = ()  # strptime patterns to try first
    ip: str | None = None
    rivals: tuple[str, ...] = ()  # columns that may name the accused as well: where one has another address, the row accuses nobody
    port: str | None = None
    protocol: str | None = None
    domain: str | None = None
    url: str | None = None
    mailbox: str | None = None
    count: str | None = None
    category: str | None = None  # column whose values ``categories`` translates
    categories: Mapping[str, str] = field(default_factory=dict)
    category_when: tuple[tuple[str, str, str], ...] = ()  # (column, contains, category)
    report_type: str | None = None  # column with each row's own type
    identity: tuple[str, ...] = ()  # columns that tell events apart beside address, port and time
    others: Mapping[str, str] = field(default_factory=dict)  # role ('victim_ip', 'c2_port') → column

    def columns(self) -> set[str]:
        """Every column that is looked at."""
        single = {
            self.ip,
            self.port,
            self.protocol,
            self.domain,
            self.url,
            self.mailbox,
            self.count,
            self.category,
            self.report_type,
        }
        listed = {*self.time, *self.rivals, *self.identity, *self.others.values(), *(rule[0] for rule in self.category_when)}
        return {name for name in single | listed | {namesake(self.ip)} if name}


def namesake(name: str | None) -> str | None:
    """How ``separated.normal_header`` calls the second column of that name."""
    return f"{name}_2" if name else None


@dataclass(slots=True)
class Columns:
    """``table`` has the columns of TABLE_COLUMNS that the rows fill; ``kept`` the places of its rows in the frame."""

    table: pl.DataFrame
    kept: np.ndarray
    warnings: list[str]


class _Complaints:
    """What is wrong with which rows, gathered by kind so that a million bad rows make one line each."""

    def __init__(self, numbers: pl.Series) -> None:
        self.numbers = numbers
        self.found: dict[str, list[int]] = {}
        self.sample: dict[str, str] = {}

    def add(self, where: np.ndarray, values: pl.Series | None, what: str) -> None:
        places = np.flatnonzero(where)
        if len(places):
            self.found.setdefault(what, []).extend(self.numbers.gather(places).to_list())
            if values is not None:
                self.sample.setdefault(what, str(values[int(places[0])])[:60])

    def told(self) -> list[str]:
        return [_told(sorted(rows), what, self.sample.get(what)) for what, rows in self.found.items()]


def _told(rows: list[int], what: str, sample: str | None = None) -> str:
    shown = ", ".join(map(str, rows[:MOST_TOLD]))
    more = f" and {len(rows) - MOST_TOLD} more" if len(rows) > MOST_TOLD else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}: {what}" + (f" ({sample!r})" if sample else "")


def problems_told(rows: Rows) -> list[str]:
    """The reader's complaints, one line a kind."""
    kinds: dict[str, list[int]] = {}
    for number, what in rows.problems:
        kinds.setdefault(what, []).append(number)
    return [_told(numbers, what) for what, numbers in kinds.items()]


def columns_of(rows: Rows, layout: Layout) -> Columns:
    """The events of the rows. A row that names no address, domain, URL or mailbox makes none, and is told."""
    complaints = _Complaints(rows.numbers)
    values = _Values(rows.frame)
    written = _undisputed(values, layout, complaints)
    ip, numbers = _addresses(written, complaints, layout.ip)
    written = written if numbers is None else None  # all are plain addresses: none has a port behind it
    url = _through(values.text(layout.url), normal_url, complaints, f"column {layout.url} holds no URL")
    domain = _domains(values, layout, complaints)
    if url is not None:
        (ip, domain), numbers = _from_urls(url, ip, domain), None
    mailbox = values.low(layout.mailbox)
    made = {
        "ip": ip, "port": _ports(_port_texts(values, layout, written), complaints, layout.port or layout.ip),
        "protocol": values.low(layout.protocol),
        "domain": domain, "url": url, "mailbox": mailbox, **read_moments(values.joined(layout.time), layout, complaints.add),
        "count": _counts(values.text(layout.count)), "category": _categories(values, layout),
        "report_type": values.text(layout.report_type), "identity": _identity(values, layout), **_numbered(numbers),
    }  # fmt: skip
    named = [series.is_not_null() for series in (ip, url, domain, mailbox) if series is not None]
    accuses = np.logical_or.reduce([series.to_numpy() for series in named]) if named else np.zeros(len(rows.frame), bool)
    silent = ~accuses & (values.text(layout.ip).is_null().to_numpy() if layout.ip else True)  # type: ignore[union-attr]
    complaints.add(silent, None, "names no address, domain or URL that could be accused")
    table = pl.DataFrame({name: series for name, series in made.items() if series is not None} | {"row": rows.numbers})
    kept = np.flatnonzero(accuses)
    return Columns(table if len(kept) == len(table) else table[kept], kept, complaints.told())


class _Values:
    """Columns by name: trimmed, null where nothing is meant; None where there is no such column."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._read: dict[str, pl.Series] = {}

    def text(self, name: str | None) -> pl.Series | None:
        if name is None or name not in self.frame.columns:
            return None
        if name not in self._read and len(self.frame) <= FEW:
            found = [value.strip(_WHITE) if value else None for value in self.frame[name].to_list()]
            kept = [None if value is None or value in NOTHING else value for value in found]
            self._read[name] = pl.Series(name, kept, dtype=pl.String)
        elif name not in self._read:
            column = self.frame[name].str.strip_chars()
            nothing = (column.str.len_bytes() <= _LONGEST_NOTHING) & column.is_in(NOTHING)
            self._read[name] = _unless(column, nothing.to_numpy())
        return self._read[name]

    def low(self, name: str | None) -> pl.Series | None:
        found = self.text(name)
        return None if found is None else found.str.to_lowercase()

    def joined(self, names: Iterable[str]) -> pl.Series | None:
        found = [series for name in names if (series := self.text(name)) is not None]
        return None if not found else found[0] if len(found) == 1 else pl.select(pl.concat_str(found, separator=" ")).to_series()


def _undisputed(values: _Values, layout: Layout, complaints: _Complaints) -> pl.Series | None:
    """The column; without the rows in which a second column of the same name says something else, or one that means the same has
    another address: one of the two is the victim."""
    name = layout.ip
    text, other = values.text(name), values.text(namesake(name))
    if text is not None and other is not None:
        differ = (text != other).fill_null(False).to_numpy()
        complaints.add(differ, text, f"two columns are called {name} and differ: not read as the accused")
        text = _unless(text, differ)
    for rival in layout.rivals:
        second = values.text(rival)
        if text is not None and second is not None:
            (one, known), (two, stated) = addresses.normalise(text), addresses.normalise(second)
            differ = known.valid & stated.valid & (one != two).fill_null(False).to_numpy()
            complaints.add(differ, second, f"columns {name} and {rival} name different addresses: not read as the accused")
            text = _unless(text, differ)
    return text


def _addresses(
    text: pl.Series | None, complaints: _Complaints, column: str | None
) -> tuple[pl.Series | None, addresses.Addresses | None]:
    """Normal text of the addresses; null for none, for a network, and for what cannot be one. And their numbers, where the
    text was read at once."""
    if text is None:
        return None, None
    found, numbers = addresses.normalise(text)
    nothing = found.is_in(_NO_ADDRESS).fill_null(False).to_numpy()
    odd = ~numbers.valid & text.is_not_null().to_numpy()
    if odd.any():
        found, odd = _odd_addresses(text, found, odd)
        network = odd & text.str.contains("/", literal=True).fill_null(False).to_numpy()
        complaints.add(network, text, f"column {column} holds a network, not an address: no event")
        complaints.add(odd & ~network, text, f"column {column} holds no possible address: not read as one")
        return _unless(found, nothing), None
    numbers.family[nothing] = 0  # all bits of these are zero already
    return _unless(found, nothing), numbers


def _numbered(numbers: addresses.Addresses | None) -> dict[str, pl.Series]:
    if numbers is None:
        return {}
    return {"family": pl.Series(numbers.family), "hi": pl.Series(numbers.hi), "lo": pl.Series(numbers.lo)}


def _odd_addresses(text: pl.Series, found: pl.Series, odd: np.ndarray) -> tuple[pl.Series, np.ndarray]:
    """Once more, one by one: defanged, bracketed, or a network of one address."""
    distinct = text.filter(pl.Series(odd)).unique().head(MOST_STRANGE).to_list()
    read = {value: one_address(value) for value in distinct}
    again = text.replace_strict(read, default=None, return_dtype=pl.String)
    better = odd & again.is_not_null().to_numpy()
    return pl.select(pl.when(pl.Series(better)).then(again).otherwise(found)).to_series(), odd & ~better


def one_address(value: str) -> str | None:
    """One address in its normal text: plain, defanged, in brackets, with a port, or as a network of one; None for anything else."""
    plain = refang(value[:100])
    host, slash, bits = plain.partition("/")
    if with_port := _WITH_PORT.match(host):
        host = with_port.group(1)
    if slash and bits != ("128" if ":" in host else "32"):
        return None
    return normal_ip(host)


def _unless(series: pl.Series, dropped: np.ndarray) -> pl.Series:
    return pl.select(pl.when(pl.Series(~dropped)).then(series)).to_series() if dropped.any() else series


def _port_texts(values: _Values, layout: Layout, written: pl.Series | None) -> pl.Series | None:
    """The column of ports; where there is none, the ports written behind the addresses."""
    if layout.port is not None or written is None:
        return values.text(layout.port)
    behind = written.str.extract(_WITH_PORT.pattern, 2)
    return None if behind.null_count() == len(behind) else behind


def _ports(text: pl.Series | None, complaints: _Complaints, column: str | None) -> pl.Series | None:
    """1..65535; 0 means none; anything else is told."""
    if text is None:
        return None
    number = text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
    good = number.is_between(0, 65_535).fill_null(False) & ~text.str.starts_with("+").fill_null(False)
    complaints.add((text.is_not_null() & ~good).to_numpy(), text, f"column {column} holds no possible port: left out")
    return pl.select(pl.when(good & (number > 0)).then(number).cast(pl.Int32)).to_series()


def _counts(text: pl.Series | None) -> pl.Series | None:
    if text is None:
        return None
    number = text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
    return pl.select(pl.when(number.is_between(1, 2_000_000_000)).then(number).otherwise(1).cast(pl.Int32)).to_series()


def _domains(values: _Values, layout: Layout, complaints: _Complaints) -> pl.Series | None:
    text = values.low(layout.domain)
    if text is None:
        return None
    text = text.str.strip_chars_end(".")
    is_address = addresses.parse(text).valid
    return _through(_unless(text, is_address), normal_domain, complaints, f"column {layout.domain} holds no domain name")


def _from_urls(url: pl.Series, ip: pl.Series | None, domain: pl.Series | None) -> tuple[pl.Series | None, pl.Series | None]:
    """Address and domain, completed by the host of the URL where a row states no other."""
    host = url.str.extract(_HOST).str.strip_chars("[]")
    named, numbers = addresses.normalise(host)
    name = _unless(host, numbers.valid | ~host.str.contains(".", literal=True).fill_null(False).to_numpy())
    return _first(ip, named), _first(domain, name)


def _first(one: pl.Series | None, other: pl.Series) -> pl.Series:
    return other if one is None else pl.select(pl.coalesce(one, other)).to_series()


def _through(text: pl.Series | None, normal, complaints: _Complaints, what: str) -> pl.Series | None:
    """``normal`` of each distinct value; values that it refuses are told."""
    if text is None:
        return None
    distinct = text.drop_nulls().unique().to_list()
    foreign = [value for value in distinct if not value.isascii()]
    slow = frozenset(foreign[MOST_FOREIGN:])  # IDNA costs a third of a millisecond
    read = {value: None if value in slow else normal(value) for value in distinct}
    found = text.replace_strict(read, default=None, return_dtype=pl.String)
    complaints.add((text.is_not_null() & found.is_null()).to_numpy(), text, what + ": left out")
    return found


def _categories(values: _Values, layout: Layout) -> pl.Series | None:
    text, found = values.low(layout.category), None
    if text is not None:
        found = text.replace_strict(dict(layout.categories), default=None, return_dtype=pl.String)
    for column, contains, category in layout.category_when:
        given = values.low(column)
        if given is not None:
            hit = given.str.contains(contains, literal=True).fill_null(False)
            before = found if found is not None else pl.repeat(None, len(hit), dtype=pl.String, eager=True)
            found = pl.select(pl.when(hit).then(pl.lit(category)).otherwise(before)).to_series()
    return found


def _identity(values: _Values, layout: Layout) -> pl.Series | None:
    """The identity columns in the layout's order; a column that is not there counts as empty.

    Quotation marks and backslashes are dropped: readers of CSV disagree about them.
    """
    found = []
    for name in layout.identity:
        series = values.text(name)
        found.append(pl.lit("") if series is None else series.str.replace_all(r'["\\\x1f]', "").fill_null(""))
    if all(isinstance(one, pl.Expr) for one in found):
        return None
    if len(values.frame) <= FEW:
        return _identity_of_few(values, layout)
    text = pl.select(pl.concat_str(found, separator=SEPARATOR)).to_series()
    return _unless(text, (text.str.strip_chars(SEPARATOR) == "").to_numpy())


def _identity_of_few(values: _Values, layout: Layout) -> pl.Series:
    columns = [series.to_list() if (series := values.text(name)) is not None else repeat(None) for name in layout.identity]
    rows = zip(*columns, strict=False)
    texts = [SEPARATOR.join([(value or "").translate(_DROPPED) for value in row]) for row in rows]
    return pl.Series([text if text.strip(SEPARATOR) else None for text in texts], dtype=pl.String)


def identity_values(text: str | None) -> tuple[str, ...]:
    """The values of one identity, as ``EventDraft.identity`` has them."""
    return tuple(text.split(SEPARATOR)) if text else ()
