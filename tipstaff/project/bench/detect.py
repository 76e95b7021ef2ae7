"""Detection on a made-up day with labelled attacks: precision, recall and latency per detector; false findings of a quiet day."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import click
import numpy as np

from tipstaff.project.bench import flow_attacks, flow_day, flow_standouts
from tipstaff.project.bench.flow_attacks import Attack, Attacks
from tipstaff.project.bench.flow_day import Day
from tipstaff.project.bench.flow_stage import Flows, Stage, join
from tipstaff.sensors.traffic.detection import configuration
from tipstaff.sensors.traffic.detection.findings import Finding

BEGAN = 1_770_163_200  # midnight UTC of a working day
AFTER = 3700  # seconds after an attack in which windows may still tell of it


@dataclass
class Outcome:
    """What came of one run."""

    attacks: list[Attack]
    opened: list[tuple[int, Finding]]
    seconds: int
    cpu: float
    flows: int
    pause: float
    put_off: int
    false: list[Finding] = field(default_factory=list)


@dataclass
class Row:
    """One detector's, or one kind of attack's, figures. A kind has no false findings of its own: those are the detector's."""

    attacks: int = 0
    found: int = 0
    not_visible: int = 0
    not_visible_found: int = 0
    right: int = 0
    false: int = 0
    latency: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    kinds: "dict[str, Row]" = field(default_factory=dict)

    def count(self, attack: Attack, found: float | None) -> None:
        """``found``: seconds after the limit was crossed; None for never."""
        if not attack.visible:
            self.not_visible += 1
            self.not_visible_found += found is not None
            return
        self.attacks += 1
        if found is not None:
            self.found += 1
            self.latency.append(max(found, 0.0))

    def add(self, other: "Row") -> None:
        for name in ("attacks", "found", "not_visible", "not_visible_found", "right", "false"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency += other.latency
        self.missed += other.missed
        for name, kind in other.kinds.items():
            self.kinds.setdefault(name, Row()).add(kind)

    def shown(self) -> dict[str, Any]:
        of = self.right + self.false
        latency = {f"latency_p{part}_s": round(float(np.percentile(self.latency, part)), 1) for part in (50, 95) if self.latency}
        told = {
            "attacks": self.attacks, "recall": round(self.found / self.attacks, 4) if self.attacks else None,
            "precision": round(self.right / of, 4) if of else None, "false": self.false, **latency, "not_visible": self.not_visible,
            "not_visible_found": self.not_visible_found,
        }  # fmt: skip
        if not self.kinds:
            return {name: value for name, value in told.items() if name not in ("precision", "false")}
        return told | {"missed": self.missed[:20], "kinds": {name: kind.shown() for name, kind in sorted(self.kinds.items())}}


Table = dict[str, Row]


def arranged(day: Day, rate: int, hours: range) -> Stage:
    stage = Stage(configuration.read(flow_day.OPERATOR), day.hosts * 4, rate, day.seed)
    stage.detection.name_exporters({1: "192.0.2.1"})
    blocked = [ip_network(flow_attacks.halves_text(day.address[who])) for who in flow_standouts.BLOCKED_HOSTS if who < day.hosts]
    stage.detection.watch(listed=[ip_network(one) for one in flow_standouts.LISTED], blocked=blocked)
    flow_standouts.teach(stage.detection.rates.baselines, day, BEGAN, hours)
    return stage


def schedule(attacks: list[Attack], seconds: int, rng: np.random.Generator) -> None:
    """Starts spread over the time, so that each has its full length."""
    for one in attacks:
        one.start = int(rng.integers(60, max(61, seconds - one.lasts - 10)))


def play(day: Day, rate: int, seconds: int, first: int, attacks: list[Attack]) -> Outcome:
    """Second by second from ``first`` (of the day) on."""
    stage = arranged(day, rate, range(first // 3600, (first + seconds) // 3600 + 1))
    begins: dict[int, list[Attack]] = defaultdict(list)
    for one in attacks:
        begins[one.start].append(one)
    running: list[Attack] = []
    total, spent = 0, 0.0
    for at in range(seconds):
        running = [one for one in running if at < one.start + one.lasts] + begins[at]
        parts: list[Flows] = [one.make(at - one.start) for one in running]
        made = join([day.second(first + at), *parts])
        total += len(made["src"])
        began = time.process_time()
        stage.play(BEGAN + first + at, made)
        spent += time.process_time() - began
    stage.play(BEGAN + first + seconds)
    seen: set[str] = set()
    opened = []
    for second, finding in stage.documents:
        if finding.id not in seen:
            seen.add(finding.id)
            opened.append((second - BEGAN - first, finding))
    return Outcome(attacks, opened, seconds, spent, total, stage.detection.pause, stage.detection.delayed)


def match(outcome: Outcome) -> Table:
    """Per detector: attacks visible and found, findings right and false, seconds from the limit crossed to the document."""
    table: Table = defaultdict(Row)
    by_subject: dict[tuple[str, str, str], list[Attack]] = defaultdict(list)
    for one in outcome.attacks:
        by_subject[one.direction, *one.subject].append(one)
    found: dict[int, float] = {}
    for second, finding in outcome.opened:
        fitting = [
            one for one in by_subject.get((finding.direction, finding.subject.kind, finding.subject.value), [])
            if one.start <= second <= one.start + one.lasts + AFTER and finding.detector in (one.detector, *one.also)
        ]  # fmt: skip
        row = table[finding.detector]
        if not fitting:
            row.false += 1
            outcome.false.append(finding)
            continue
        row.right += 1
        for one in fitting:
            found.setdefault(id(one), second - one.start - one.crossed)
    for one in outcome.attacks:
        for row in (table[one.detector], table[one.detector].kinds.setdefault(one.kind or one.detector, Row())):
            row.count(one, found.get(id(one)))
            if one.visible and id(one) not in found:
                row.missed.append(f"{one.kind} {one.strength:g} at {one.start}: {one.subject[1]}")
    return dict(table)


def merged(tables: Iterable[Table]) -> Table:
    whole: Table = defaultdict(Row)
    for table in tables:
        for name, row in table.items():
            whole[name].add(row)
    return dict(whole)


def run(
    seconds: int, hosts: int, seeds: list[int], rates: list[int], repeats: int, mix: float, quiet: bool, first: int = 9 * 3600
) -> dict[str, Any]:
    """Every rate and seed in turn, then the same hours without an attack."""
    by_rate: dict[int, list[Table]] = {rate: [] for rate in rates}
    false: list[str] = []
    quiet_false, quiet_seconds, cpu, flows, pause, put_off = 0, 0, 0.0, 0, 0.0, 0
    for rate in rates:
        for seed in seeds:
            if repeats:
                day = Day(seed, hosts, mix)
                attacks = list(Attacks(day, configuration.read(flow_day.OPERATOR).thresholds, rate).everything(repeats))
                schedule(attacks, seconds, np.random.default_rng(seed + 1000))
                outcome = play(day, rate, seconds, first, attacks)
                by_rate[rate].append(match(outcome))
                false += [f"1:{rate} {one.detector} {one.words}" for one in outcome.false]
                cpu, flows, pause = cpu + outcome.cpu, flows + outcome.flows, max(pause, outcome.pause)
                put_off += outcome.put_off
            if quiet:
                calm = play(Day(seed, hosts, mix), rate, seconds, first, [])
                match(calm)
                quiet_false, quiet_seconds = quiet_false + len(calm.false), quiet_seconds + seconds
                false += [f"quiet 1:{rate} {one.detector} {one.words}" for one in calm.false]
    return _figures(by_rate, false, quiet_false, quiet_seconds, hosts) | {
        "hosts": hosts, "seconds": seconds, "from_second_of_day": first, "seeds": seeds, "mix": mix, "repeats": repeats,
        "cpu_s_per_million": round(cpu / max(flows, 1) * 1e6, 3), "flows": flows, "longest_turn_s": round(pause, 4),
        "seconds_put_off": put_off,
    }  # fmt: skip


def _figures(by_rate: dict[int, list[Table]], false: list[str], quiet_false: int, quiet_seconds: int, hosts: int) -> dict[str, Any]:
    whole = merged([table for tables in by_rate.values() for table in tables])
    right, wrong = sum(row.right for row in whole.values()), sum(row.false for row in whole.values())
    attacks, found = sum(row.attacks for row in whole.values()), sum(row.found for row in whole.values())
    sampling = {f"1:{rate}": merged(tables) for rate, tables in by_rate.items() if tables}
    latency = {name: [one for row in table.values() for one in row.latency] for name, table in sampling.items()}
    p95 = {name: round(float(np.percentile(rows, 95)), 2) for name, rows in latency.items() if rows}
    return {
        "precision": round(right / max(right + wrong, 1), 4), "recall": round(found / max(attacks, 1), 4),
        "latency_p95_s": p95.get("1:1"), "latency_p95_s_by_sampling": p95,
        "false_per_day_10k": round(quiet_false * 86400 / quiet_seconds * 10_000 / hosts, 2) if quiet_seconds else None,
        "quiet_seconds": quiet_seconds, "per_detector": {name: row.shown() for name, row in sorted(whole.items())},
        "per_sampling": {
            name: {detector: row.shown() for detector, row in sorted(table.items())} for name, table in sampling.items()
        },
        "false_findings": false[:50],
    }  # fmt: skip


def table_of(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as lines for people."""
    for sampling, rows in figures["per_sampling"].items():
        yield f"{sampling:29} attacks  recall  precision    p50 s    p95 s  not visible"
        for name, row in rows.items():
            yield _line(name, row)
            if len(row["kinds"]) > 1:
                yield from (_line("  " + kind, one) for kind, one in row["kinds"].items())


def _line(name: str, row: dict[str, Any]) -> str:
    cells = [row.get(key) for key in ("recall", "precision", "latency_p50_s", "latency_p95_s")]
    recall, precision, median, late = ("–" if one is None else f"{one:g}" for one in cells)
    return f"{name:29} {row['attacks']:7} {recall:>7} {precision:>10} {median:>8} {late:>8} {row['not_visible']:12}"


@click.command()
@click.option("--hours", default=0.5, show_default=True, help="Hours of the day that are played; attacks need at least 0.45.")
@click.option("--from", "begin", default=9.0, show_default=True, help="The hour of the day that they begin at.")
@click.option("--hosts", default=10_000, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True)
@click.option("--rate", "rates", multiple=True, type=int, default=(1, 100, 1000), show_default=True, help="Sampling: 1 in N.")
@click.option("--repeats", default=7, show_default=True, help="Attacks of each kind and strength; 0 plays quiet hours only.")
@click.option("--mix", default=1.0, show_default=True, help="How busy the day is.")
@click.option("--quiet/--no-quiet", default=True, help="The same hours without an attack, for false findings.")
@click.option("--table", is_flag=True, help="Lines for people instead of JSON.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON unless --table is given.")
def detect(
    hours: float, begin: float, hosts: int, seeds: tuple[int, ...], rates: tuple[int, ...], repeats: int, mix: float, quiet: bool,
    table: bool, _json: bool,
) -> None:  # fmt: skip
    """Play hours of a day with attacks of every kind mixed in, and the same hours without."""
    figures = run(round(hours * 3600), hosts, list(seeds), list(rates), repeats, mix, quiet, round(begin * 3600))
    if table:
        for line in table_of(figures):
            click.echo(line)
        figures = {name: value for name, value in figures.items() if not name.startswith("per_")}
    click.echo(json.dumps(figures))
