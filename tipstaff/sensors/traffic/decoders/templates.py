"""Templates: read from template sets, and compiled into what the decoding kernel follows.

NetFlow 9: RFC 3954, 5.2 and 6.1. IPFIX: RFC 7011, 3.4 and 8.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.elements import (
    DURATION_MS,
    DURATION_US,
    FRAGMENT_OFFSET,
    FRAME,
    IF_ZERO,
    IPV6,
    NARROW_VALUE,
    PACKET,
    REVERSE,
    SINCE_BOOT,
    UPTIME,
    element,
)  # fmt: skip

VARIABLE = 65535
MOST_FIELDS = 512
# Columns of a plan's head. LENGTH: bytes of a record, of the shortest one where they vary.
LENGTH, FIRST, LAST, STATED, ABSENT_FIRST, ABSENT_LAST, FLAGS, FAMILY, SIZES_FIRST, SIZES_LAST = range(10)
HEAD = 10
# FLAGS of a plan.
VARIES, BIFLOW, HAS_SAMPLER, HAS_RATE, HAS_IPV6, IS_OPTIONS, HAS_PACKET, UNTIMED, OPTIONS_BOOT = (1 << bit for bit in range(9))
# Rows of the wide matrix are told from those of the narrow one by this offset, in lists of rows to clear.
WIDE = 100
ALWAYS_SET = {L.RATE, L.SESSION, L.FAMILY, L.PRESENT}
CLEARED_WIDE = (L.BYTES, L.PACKETS, L.START, L.END)


class Field(NamedTuple):
    number: int
    size: int
    enterprise: int = 0


@dataclass(frozen=True)
class Template:
    """The fields of a record in order; the first ``scope`` of them say what an options record is about (0: flows)."""

    number: int
    version: int
    fields: tuple[Field, ...]
    scope: int = 0
    options: bool = False

    @property
    def length(self) -> int:
        """Bytes of a record, 0 when it varies."""
        return 0 if self.varies else sum(one.size for one in self.fields)

    @property
    def varies(self) -> bool:
        return any(one.size == VARIABLE for one in self.fields)

    @property
    def least(self) -> int:
        """Bytes of the shortest record."""
        return sum(1 if one.size == VARIABLE else one.size for one in self.fields)


class Withdrawal(NamedTuple):
    """IPFIX: the template of this number is void; 2 stands for all templates, 3 for all options templates."""

    number: int


class Unusable(NamedTuple):
    """What follows in the set cannot be read."""

    why: str


def read_templates(body: bytes, set_id: int, version: int) -> Iterator[Template | Withdrawal | Unusable]:
    """What a template set (NetFlow 9: 0 and 1; IPFIX: 2 and 3) says, in its order. Stops at padding or nonsense."""
    place = 0
    while place + 4 <= len(body):
        number, count = struct.unpack_from(">HH", body, place)
        if number < 256 and not (version == 10 and number == set_id and count == 0):
            break  # padding
        if version == 10 and count == 0:
            yield Withdrawal(number)
            place += 4
            continue
        read = _nine_options if version == 9 and set_id == 1 else _plain if set_id in (0, 2) else _ipfix_options
        found, place = read(body, place, version)
        yield found
        if isinstance(found, Unusable):
            return


def _fields(body: bytes, place: int, count: int, version: int) -> tuple[list[Field], int]:
    """``count`` field specifiers from ``place`` on, fewer when the bytes end before."""
    found = []
    for _ in range(count):
        if place + 4 > len(body):
            break
        number, size = struct.unpack_from(">HH", body, place)
        place += 4
        enterprise = 0
        if version == 10 and number & 0x8000:
            if place + 4 > len(body):
                break
            (enterprise,) = struct.unpack_from(">I", body, place)
            number &= 0x7FFF
            place += 4
        found.append(Field(number, size, enterprise))
    return found, place


def _checked(number: int, version: int, wanted: int, fields: list[Field], scope: int, options: bool) -> Template | Unusable:
    if len(fields) < wanted:
        return Unusable("fields are missing")
    if not fields or len(fields) > MOST_FIELDS:
        return Unusable("too many fields" if fields else "no fields")
    made = Template(number, version, tuple(fields), scope, options)
    if not 0 < made.least <= 65535:
        return Unusable("record length impossible")
    return made


def _plain(body: bytes, place: int, version: int) -> tuple[Template | Unusable, int]:
    number, count = struct.unpack_from(">HH", body, place)
    fields, place = _fields(body, place + 4, count, version)
    return _checked(number, version, count, fields, 0, False), place


def _ipfix_options(body: bytes, place: int, version: int) -> tuple[Template | Unusable, int]:
    if place + 6 > len(body):
        return Unusable("cut short"), len(body)
    number, count, scope = struct.unpack_from(">HHH", body, place)
    fields, place = _fields(body, place + 6, count, version)
    if not 0 < scope <= count:
        return Unusable("scope count impossible"), place
    return _checked(number, version, count, fields, scope, True), place


def _nine_options(body: bytes, place: int, version: int) -> tuple[Template | Unusable, int]:
    if place + 6 > len(body):
        return Unusable("cut short"), len(body)
    number, scope_bytes, option_bytes = struct.unpack_from(">HHH", body, place)
    scope, count = scope_bytes // 4, (scope_bytes + option_bytes) // 4
    fields, place = _fields(body, place + 6, count, version)
    return _checked(number, version, count, fields, scope, True), place


@dataclass
class Plans:
    """Compiled templates in arrays that the kernel reads: heads, field steps (offset, size, kind, row), rows to clear."""

    heads: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, HEAD), np.int32))
    steps: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 4), np.int32))
    absent: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    sizes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def add(self, template: Template) -> int:
        """Compile and append; its number."""
        head, steps, absent, sizes = compiled(template)
        head[FIRST], head[LAST] = len(self.steps), len(self.steps) + len(steps)
        head[ABSENT_FIRST], head[ABSENT_LAST] = len(self.absent), len(self.absent) + len(absent)
        head[SIZES_FIRST], head[SIZES_LAST] = len(self.sizes), len(self.sizes) + len(sizes)
        self.heads = np.vstack([self.heads, np.array([head], np.int32)])
        self.steps = np.vstack([self.steps, np.array(steps, np.int32).reshape(-1, 4)])
        self.absent = np.append(self.absent, np.array(absent, np.int32))
        self.sizes = np.append(self.sizes, np.array(sizes, np.int32))
        return len(self.heads) - 1


def compiled(template: Template) -> tuple[list[int], list[tuple[int, int, int, int]], list[int], list[int]]:
    """Head, steps, rows to clear, and field sizes (for templates whose records vary) of a template."""
    chosen = []
    place = stated = flags = 0
    numbers = {one.number for one in template.fields if not one.enterprise}
    seen = set()
    for index, one in enumerate(template.fields):
        found = None if template.options else element(one.number, one.enterprise, one.size, template.version)
        if found and found.kind == UPTIME and template.version == 10:
            found = found._replace(kind=SINCE_BOOT)
            flags |= 0 if 160 in numbers else OPTIONS_BOOT
        if (one.number, one.enterprise) in seen:  # the first is the outermost (RFC 7011, 8)
            found = None
        seen.add((one.number, one.enterprise))
        if found:
            at = index if template.varies else place
            chosen.append((found.order, at, one.size, found.kind, found.row))
            stated |= found.present
            flags |= _flags(found.kind, found.row, one)
        place += 0 if one.size == VARIABLE else one.size
    steps = _firm([step[1:] for step in sorted(chosen)])
    if stated & (L.HAS_START | L.HAS_END) == 0:
        flags |= UNTIMED
    flags |= VARIES if template.varies else 0
    flags |= IS_OPTIONS if template.options else 0
    family = 6 if numbers & {27, 28} and not numbers & {8, 12} else 4 if numbers & {8, 12} else 0
    head = [template.least, 0, 0, stated, 0, 0, flags, family, 0, 0]
    return head, steps, _absent(steps, template.varies), [one.size for one in template.fields] if template.varies else []


def _flags(kind: int, row: int, one: Field) -> int:
    kind &= ~IF_ZERO
    found = BIFLOW if one.enterprise == REVERSE else 0
    found |= HAS_IPV6 if kind == IPV6 else 0
    found |= HAS_PACKET if kind in (FRAME, PACKET) else 0
    if one.enterprise == 0:
        found |= HAS_SAMPLER if one.number in (48, 302) else HAS_RATE if one.number in (34, 50) else 0
    return found


def _firm(steps: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """What would only fill in fills its row anyway where nothing comes before it: such steps need not look what is there."""
    found, written = list[tuple[int, int, int, int]](), set[tuple[bool, int]]()
    for place, size, kind, row in steps:
        bare = kind & ~IF_ZERO
        where = (bare == NARROW_VALUE, row)
        found.append((place, size, kind if where in written else bare, row))
        written.add(where)
    return found


def _absent(steps: list[tuple[int, int, int, int]], varies: bool) -> list[int]:
    """Rows that no step sets without condition: they must not keep what an earlier flow left there.

    Where lengths vary, any field may be of no length, and then it sets nothing.
    """
    narrow, wide = set(), set()
    for _, _, kind, row in steps:
        bare = kind & ~IF_ZERO
        if varies or kind & IF_ZERO or bare in (FRAME, PACKET, DURATION_MS, DURATION_US, FRAGMENT_OFFSET):
            continue
        if bare == NARROW_VALUE:
            narrow.add(row)
        elif bare != IPV6:
            wide.add(row)
    lacking = [row for row in range(L.NARROW) if row not in narrow and (row not in ALWAYS_SET or (varies and row == L.RATE))]
    scratch = (L.SAMPLER, L.BACK_BYTES, L.BACK_PACKETS, L.BOOT)
    used = {row for _, _, kind, row in steps if kind & ~IF_ZERO not in (NARROW_VALUE, IPV6)}
    return lacking + [WIDE + row for row in (*CLEARED_WIDE, *scratch) if row not in wide and (row in CLEARED_WIDE or row in used)]
