"""What the worst mails cost to read: seconds and memory, each in a process of its own."""

import json
import subprocess
import sys
from typing import Any

import click

from tipstaff.project.bench.hostile_cases import CASES, plain

#: What one input may cost: CPU seconds, and growth of memory in MB.
SECONDS, MEGABYTES = 1.0, 300.0


@click.command("hostile", help="What the worst mails cost to read: seconds and memory, each in a process of its own.")
@click.option("--case", "names", multiple=True, type=click.Choice(sorted(CASES)), help="Only this one; may be repeated.")
@click.option("--judge", is_flag=True, help="Exit 1 when one costs more than 1 s or 300 MB.")
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def hostile(names: tuple[str, ...], judge: bool, _json: bool) -> None:
    figures = run(names or tuple(CASES))
    click.echo(json.dumps(figures))
    if judge and figures["over"]:
        raise SystemExit(1)


def run(names: tuple[str, ...]) -> dict[str, Any]:
    """Read each case in a fresh process; the worst figures, which are over the bounds, and each one's own."""
    each = {name: _measured(name) for name in names}
    return {
        "worst_s": max(one["seconds"] for one in each.values()), "worst_mb": max(one["mb"] for one in each.values()),
        "cases": len(each), "over": over(each), "each": each,
    }  # fmt: skip


def over(each: dict[str, dict[str, Any]]) -> list[str]:
    """The cases that cost more than one input may."""
    return sorted(name for name, one in each.items() if one["seconds"] > SECONDS or one["mb"] > MEGABYTES)


def _measured(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tipstaff.project.bench.hostile", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _main(name: str) -> None:
    import resource
    import time

    from tipstaff.intake.message import Hints
    from tipstaff.intake.read import read_submission

    read_submission(plain(b"the first letter of a program pays for its vocabulary 192.0.2.1"), Hints())
    raw = CASES[name].raw()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    drafts = read_submission(raw, Hints(filename="submission"))
    spent = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons = [*(drafts[0].needs or ()), *drafts[0].warnings][:2]
    told = {"seconds": round(spent, 3), "mb": round((after - before) / 1024, 1), "peak_mb": round(after / 1024, 1)}
    print(json.dumps(told | {"disposition": str(drafts[0].disposition), "reasons": reasons}))


if __name__ == "__main__":
    _main(sys.argv[1])
