"""What becomes of the archive's files with time: compacted by the hour, rolled up to minutes, then to hours, then gone.

Started every minute as ``python -m tipstaff.sensors.traffic.archive.keeping SETTINGS.json``. Holds come from ``holds.json``
beside the files; without that file nothing is ever deleted.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tipstaff.kernel.clock import now as clock_now
from tipstaff.sensors.traffic import ring as R
from tipstaff.sensors.traffic.archive import compacting, files, thinning
from tipstaff.sensors.traffic.archive.files import Stored
from tipstaff.sensors.traffic.archive.writer import Settings

log = logging.getLogger("tipstaff.flows")
SETTLED = timedelta(minutes=2)  # after the hour, until its last file is there
MANY = 24  # fresh files beyond which the hour's end is not waited for
ROLLED = """
    SELECT {at} // {step} * {step} AS ended, family, local, local_hi, local_lo, customer, direction, twin, protocol, exporter,
        {port} AS service, {bytes} AS bytes, {packets} AS packets, {flows} AS flows, {unscaled} AS unscaled
    FROM {source} GROUP BY ALL ORDER BY family, local_hi, local, local_lo, ended
"""
# The lower port is taken for the service's.
FLOWS = {"at": "ended", "port": "least(local_port, peer_port)", "bytes": "sum(bytes * greatest(rate, 1))::UBIGINT",
         "packets": "sum(packets * greatest(rate, 1))::UBIGINT", "flows": "count(*)::UBIGINT",
         "unscaled": "count_if(rate = 0)::UBIGINT"}  # fmt: skip
SUMS = {"at": "ended", "port": "service", "bytes": "sum(bytes)::UBIGINT", "packets": "sum(packets)::UBIGINT",
        "flows": "sum(flows)::UBIGINT", "unscaled": "sum(unscaled)::UBIGINT"}  # fmt: skip


@dataclass(frozen=True)
class Holds:
    """What stays although its time is over."""

    everything: bool = False
    customers: tuple[int, ...] = ()

    @classmethod
    def read(cls, root: Path) -> "Holds | None":
        """None where nobody told us, or what we were told cannot be read: then nothing may go."""
        try:
            known = json.loads((root / "holds.json").read_text())
            return cls(bool(known["all"]), tuple(int(one) for one in known["customers"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Keeper:
    """One look at the archive."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self.settings, self.now, self.root = settings, now, Path(settings.root)

    def run(self) -> dict[str, int]:
        """Compact, expire by age, then by size; how many files each took."""
        if self.settings.spool:
            return {"dropped": self.bound_spool()}
        done = {"compacted": self.compact(), "expired": 0}
        holds = Holds.read(self.root)
        if holds is not None and not holds.everything:
            done["expired"] = self.expire(holds) + self.shrink(holds)
        done["thinned"] = self.thin()
        return done

    def bound_spool(self) -> int:
        """While a cluster is away files wait here; beyond the bytes allowed the oldest are given up, and said to be."""
        waiting = files.stored(self.root, "fresh")
        size, gone = sum(one.size for one in waiting), 0
        for one in waiting if self.settings.most_bytes else ():
            if size <= self.settings.most_bytes:
                break
            size, gone = size - one.size, gone + 1
            log.warning("%s is given up unsent: the spool is full", one.path.name)
            one.path.unlink(missing_ok=True)
        return gone

    def thin(self) -> int:
        """A sample of each compacted file (``thinning``); those of files that are gone go too."""
        hours = {one.path.name: one for one in files.stored(self.root, "hours")}
        samples = {one.path.name: one for one in files.stored(self.root, "thin")}
        for name in samples.keys() - hours.keys():
            samples[name].path.unlink(missing_ok=True)
        fresh = sorted(hours.keys() - samples.keys())
        for name in fresh:
            thinning.thin(hours[name].path, self.root / "thin" / name)
        return len(fresh)

    def compact(self) -> int:
        """Fresh files of hours that are over, and of this one when there are many; a sample's stay as they are."""
        self.clear_replaced()
        fresh = [one for one in files.stored(self.root, "fresh") if not one.path.name.endswith(files.SAMPLE)]
        hours: dict[str, list[Stored]] = {}
        for one in fresh:
            hours.setdefault(f"{one.at:%Y%m%d%H}", []).append(one)
        this = f"{self.now - SETTLED:%Y%m%d%H}"
        ready = [group for hour, group in hours.items() if hour < this or len(group) > MANY]
        for group in ready:
            compacting.compact(self.root, group)
        return sum(map(len, ready))

    def clear_replaced(self) -> None:
        """Delete what a compaction that was killed had no time to."""
        there = list((self.root / "fresh").glob("2*.parquet"))
        gone = files.replaced(self.root, (path.name.split("-")[0].replace("T", "")[:10] for path in there))
        for path in there:
            if path.name in gone:
                path.unlink(missing_ok=True)

    def expire(self, holds: Holds) -> int:
        """Roll up and delete what is older than its kind may be."""
        gone = 0
        for kind, hours in (("hours", self.settings.keep_hours), ("minutes", self.settings.keep_minutes_hours)):
            old = [one for one in files.stored(self.root, kind) if one.at + timedelta(hours=hours + 1) < self.now]
            gone += self._roll_up(old, kind, holds)
        for kind, hours in (("coarse", self.settings.keep_coarse_hours), ("fresh", self.settings.keep_hours)):
            for one in files.stored(self.root, kind):
                if one.at + timedelta(hours=hours + 24) < self.now:
                    one.path.unlink(missing_ok=True)
                    gone += 1
        return gone + self._release(holds)

    def shrink(self, holds: Holds) -> int:
        """Give up the oldest of the most detailed first, until the archive is as small as it may be."""
        if not self.settings.most_bytes:
            return 0
        gone = 0
        while self._size() > self.settings.most_bytes:
            oldest = next((one for kind in ("hours", "minutes", "coarse") for one in files.stored(self.root, kind)), None)
            if oldest is None:
                return gone
            if oldest.kind == "coarse":
                oldest.path.unlink(missing_ok=True)
            else:
                self._roll_up([oldest], oldest.kind, holds)
            gone += 1
        return gone

    def _size(self) -> int:
        return sum(one.size for one in files.stored(self.root, *files.FOLDERS))

    def _roll_up(self, old: list[Stored], kind: str, holds: Holds) -> int:
        """Into the next coarser kind: hours of flows into minutes, minutes of a day into hours."""
        into, step, width, terms = "minutes", 60_000, "%Y%m%d%H", FLOWS
        if kind == "minutes":
            into, step, width, terms = "coarse", 3_600_000, "%Y%m%d", SUMS
        groups: dict[str, list[Stored]] = {}
        for one in old:
            groups.setdefault(f"{one.at:{width}}", []).append(one)
        for label, group in groups.items():
            if kind == "hours" and holds.customers:
                self._hold(group, holds.customers)
            source = _source((one.path for one in group), "")
            target = self.root / into / f"{label}-{group[0].path.stem.split('-')[-1]}.parquet"
            self._copy(ROLLED.format(source=source, step=step, **terms), target)
            for one in group:
                one.path.unlink(missing_ok=True)
        return len(old)

    def _hold(self, group: list[Stored], customers: tuple[int, ...]) -> None:
        """Keep the held customers' flows of these files, whichever end is theirs."""
        listed = ", ".join(map(str, customers))
        for one in group:
            where = f"WHERE customer IN ({listed}) OR peer_customer IN ({listed})"
            self._copy(f"SELECT * FROM {_source([one.path], where)}", self.root / "held" / one.path.name)  # noqa: S608

    def _release(self, holds: Holds) -> int:
        """Delete held files once no hold on a customer is left."""
        if holds.customers:
            return 0
        held = files.stored(self.root, "held")
        for one in held:
            one.path.unlink(missing_ok=True)
        return len(held)

    def _copy(self, sql: str, target: Path) -> None:
        with duckdb.connect(config={"memory_limit": self.settings.memory, "threads": 1}) as connection:
            connection.execute(f"SET temp_directory = '{str(self.root / '.questions').replace(chr(39), chr(39) * 2)}'")
            table: Any = connection.sql(sql).to_arrow_table()
        if table.num_rows:
            files.write_table(target, table)


def _source(paths: Iterable[Path], where: str) -> str:
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    lacking = "SELECT NULL::UBIGINT AS local_hi, NULL::UBIGINT AS local_lo WHERE false"
    return f"(SELECT * FROM (SELECT * FROM read_parquet([{listed}], union_by_name=true) UNION ALL BY NAME {lacking}) {where})"  # noqa: S608


def main(arguments: list[str]) -> dict[str, Any]:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    R.end_with_parent()
    os.nice(10)
    pa.set_cpu_count(1)
    settings = Settings.read(Path(arguments[0]))
    files.make_room(Path(settings.root), remains=False)
    return Keeper(settings, clock_now()).run()


if __name__ == "__main__":
    main(sys.argv[1:])
