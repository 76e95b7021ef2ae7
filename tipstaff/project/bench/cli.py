"""``tipstaff bench …``: each benchmark on a throwaway database, one JSON object on standard output."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

#: Name → module and the size that the published figures use.
BENCHES: dict[str, int] = {
    "feed": 1_000_000, "mail": 20_000, "smtp": 5_000, "xarf": 100_000, "attribution": 100_000, "desk": 1_000_000,
    "clocks": 100_000, "orders": 10_000, "sample": 1_000,
}  # fmt: skip

#: Benchmarks with options of their own: name → module:command.
OWN: dict[str, str] = {
    "hostile": "tipstaff.project.bench.hostile:hostile",
    "flows": "tipstaff.project.bench.flows:flows",
    "archive": "tipstaff.project.bench.archive:archive",
    "faults": "tipstaff.project.bench.faults:faults",
    "detect": "tipstaff.project.bench.detect:detect",
    "fuzz-flows": "tipstaff.project.bench.fuzz_flows:fuzz_flows",
}


def _command(name: str, size: int) -> click.Command:
    @click.command(name, help=(import_module(f"tipstaff.project.bench.{name}").__doc__ or "").splitlines()[0])
    @click.option("--rows", default=size, show_default=True, help="How many rows, mails, documents or questions.")
    @click.option("--batch", default=100_000, show_default=True, help="Rows in one delivery (feed).")
    @click.option("--preload", default=5_000_000, show_default=True, help="Events that are there already (feed).")
    @click.option("--workers", default=2, show_default=True, help="Worker processes (feed, mail).")
    @click.option("--json", "_json", is_flag=True, help="The output is JSON either way.")
    def run(rows: int, batch: int, preload: int, workers: int, _json: bool) -> None:
        measure: Callable[..., dict[str, Any]] = import_module(f"tipstaff.project.bench.{name}").run
        more = {"feed": {"batch": batch, "preloaded": preload, "workers": workers}, "mail": {"workers": workers}}.get(name, {})
        click.echo(json.dumps(measure(rows=rows, **more)))

    return run


class _Late(click.Group):
    """Imports a benchmark when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*BENCHES, *OWN})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OWN:
            module, _, name = OWN[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        return _command(cmd_name, BENCHES[cmd_name]) if cmd_name in BENCHES else None


bench = _Late("bench", help="Measure on a throwaway database; figures and their conditions are in the README.")
