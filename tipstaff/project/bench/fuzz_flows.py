"""Malformed exports by the million: every decoder on mutated datagrams that end where readable memory ends."""

import json
import resource
import subprocess
import sys

import click


@click.command()
@click.option("--inputs", default=1_000_000, show_default=True, help="Mutated datagrams.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
def fuzz_flows(inputs: int, seed: int, _json: bool) -> None:
    """Decode mutated datagrams in a program of its own; ``escaped`` counts exceptions, crashes and broken sums."""
    words = [sys.executable, "-m", "tipstaff.sensors.traffic.hostile", str(inputs), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        found = {"inputs": inputs, "escaped": 1, "why": f"exit {done.returncode}: {done.stderr.strip()[-300:]}"}
    else:
        found = json.loads(done.stdout)
    found["most_memory_mb"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1)
    click.echo(json.dumps(found))
    sys.exit(1 if found["escaped"] else 0)
