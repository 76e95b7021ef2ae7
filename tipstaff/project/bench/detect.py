"""Detection on a made-up day with labelled attacks: precision, recall and latency per detector; false findings of a quiet day."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import click
import numpy as np

from tipstaff.project.bench import flow_attacks, flow_day
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
    false: list[Finding] = field(default_factory=list)


def arranged(day: Day, rate: int) -> Stage:
    stage = Stage(configuration.read(flow_day.OPERATOR), day.hosts * 2, rate, day.seed)
    stage.detection.name_exporters({1: "192.0.2.1"})
    blocked = [ip_network(flow_attacks.halves_text(day.address[who])) for who in flow_attacks.BLOCKED_HOSTS if who < day.hosts]
    stage.detection.watch(listed=[ip_network(flow_attacks.LISTED)], blocked=blocked)
    return stage


def schedule(attacks: list[Attack], seconds: int, rng: np.random.Generator) -> None:
    """Starts spread over the time, so that each has its full length."""
    for one in attacks:
        one.start = int(rng.integers(60, max(61, seconds - one.lasts - 10)))


def play(day: Day, rate: int, seconds: int, first: int, attacks: list[Attack]) -> Outcome:
    """Second by second from ``first`` (of the day) on."""
    stage = arranged(day, rate)
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
    return Outcome(attacks, opened, seconds, spent, total, stage.detection.pause)


def match(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Per detector: attacks visible and found, findings right and false, seconds from the limit crossed to the document."""
    table: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"attacks": 0, "found": 0, "right": 0, "false": 0, "latency": [], "unseen": 0}
    )
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
            row["false"] += 1
            outcome.false.append(finding)
            continue
        row["right"] += 1
        for one in fitting:
            found.setdefault(id(one), second - one.start - one.crossed)
    for one in outcome.attacks:
        row = table[one.detector]
        if not one.visible:
            row["unseen"] += 1
            continue
        row["attacks"] += 1
        if id(one) in found:
            row["found"] += 1
            row["latency"].append(max(found[id(one)], 0.0))
    return dict(table)


def merged(tables: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    whole: dict[str, dict[str, Any]] = {}
    for table in tables:
        for name, row in table.items():
            into = whole.setdefault(name, {key: [] if isinstance(value, list) else 0 for key, value in row.items()})
            for key, value in row.items():
                into[key] = into[key] + value
    return whole


def shown(row: dict[str, Any]) -> dict[str, Any]:
    right, false = row["right"], row["false"]
    return {
        "attacks": row["attacks"], "recall": round(row["found"] / row["attacks"], 4) if row["attacks"] else None,
        "precision": round(right / (right + false), 4) if right + false else None,
        "latency_p95_s": round(float(np.percentile(row["latency"], 95)), 2) if row["latency"] else None,
        "not_visible": row["unseen"],
    }  # fmt: skip


def run(seconds: int, hosts: int, seeds: list[int], rates: list[int], repeats: int, mix: float, quiet: bool) -> dict[str, Any]:
    """Every rate and seed in turn, then the same hours without an attack."""
    by_rate: dict[int, list[dict[str, dict[str, Any]]]] = {rate: [] for rate in rates}
    false: list[str] = []
    quiet_false, quiet_seconds, cpu, flows, pause = 0, 0, 0.0, 0, 0.0
    for rate in rates:
        for seed in seeds:
            day = Day(seed, hosts, mix)
            attacks = list(Attacks(day, configuration.read().thresholds, rate).everything(repeats))
            schedule(attacks, seconds, np.random.default_rng(seed + 1000))
            outcome = play(day, rate, seconds, 9 * 3600, attacks)
            by_rate[rate].append(match(outcome))
            false += [f"1:{rate} {one.words}" for one in outcome.false]
            cpu, flows, pause = cpu + outcome.cpu, flows + outcome.flows, max(pause, outcome.pause)
            if quiet:
                calm = play(Day(seed, hosts, mix), rate, seconds, 9 * 3600, [])
                match(calm)
                quiet_false, quiet_seconds = quiet_false + len(calm.false), quiet_seconds + seconds
                false += [f"quiet 1:{rate} {one.words}" for one in calm.false]
    return _figures(by_rate, false, quiet_false, quiet_seconds, hosts) | {
        "hosts": hosts, "seconds": seconds, "seeds": seeds, "mix": mix, "cpu_s_per_million": round(cpu / max(flows, 1) * 1e6, 3),
        "flows": flows, "longest_turn_s": round(pause, 4),
    }  # fmt: skip


def _figures(
    by_rate: dict[int, list[dict[str, dict[str, Any]]]], false: list[str], quiet_false: int, quiet_seconds: int, hosts: int
) -> dict[str, Any]:
    whole = merged([table for tables in by_rate.values() for table in tables])
    right, wrong = sum(row["right"] for row in whole.values()), sum(row["false"] for row in whole.values())
    attacks, found = sum(row["attacks"] for row in whole.values()), sum(row["found"] for row in whole.values())
    latency = {
        f"1:{rate}": [one for row in merged(tables).values() for one in row["latency"]] for rate, tables in by_rate.items()
    }  # fmt: skip
    p95 = {name: round(float(np.percentile(rows, 95)), 2) for name, rows in latency.items() if rows}
    return {
        "precision": round(right / max(right + wrong, 1), 4), "recall": round(found / max(attacks, 1), 4),
        "latency_p95_s": p95.get("1:1"), "latency_p95_s_by_sampling": p95,
        "false_per_day_10k": round(quiet_false * 86400 / quiet_seconds * 10_000 / hosts, 2) if quiet_seconds else None,
        "per_detector": {name: shown(row) for name, row in sorted(whole.items())},
        "per_sampling": {
            f"1:{rate}": {name: shown(row) for name, row in sorted(merged(tables).items())} for rate, tables in by_rate.items()
        },
        "false_findings": false[:50],
    }  # fmt: skip


@click.command()
@click.option("--hours", default=1.0, show_default=True, help="Hours of the day that are played, from nine o'clock on.")
@click.option("--hosts", default=10_000, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True)
@click.option("--rate", "rates", multiple=True, type=int, default=(1, 100, 1000), show_default=True, help="Sampling: 1 in N.")
@click.option("--repeats", default=7, show_default=True, help="Attacks of each kind and strength.")
@click.option("--mix", default=1.0, show_default=True, help="How busy the day is.")
@click.option("--quiet/--no-quiet", default=True, help="The same hours without an attack, for false findings.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def detect(
    hours: float, hosts: int, seeds: tuple[int, ...], rates: tuple[int, ...], repeats: int, mix: float, quiet: bool, _json: bool
) -> None:
    """Play hours of a day with attacks of every kind mixed in, and the same hours without."""
    click.echo(json.dumps(run(round(hours * 3600), hosts, list(seeds), list(rates), repeats, mix, quiet)))
