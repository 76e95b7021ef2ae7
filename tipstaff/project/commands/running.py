"""``tipstaff up``, ``run``, ``status`` and ``demo``."""

import json
import shutil
import signal
import socket
import sys
import tempfile
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import click

from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem, TipstaffError
from tipstaff.project import database, environment, processes, ways_in
from tipstaff.project.children import LOOPS, WITHOUT_DATABASE, exists, ours
from tipstaff.project.state import is_running

SAMPLE = "tipstaff.project.sample"  # has load(*, now) -> str: loads the labelled sample, returns what to tell the person


@click.command()
@click.option("--state", type=click.Path(), help="State directory of this instance (or TIPSTAFF_STATE).")
@click.option("--listen", help="HOST:PORT of the web server (or TIPSTAFF_LISTEN).")
@click.option("--smtp-listen", help="HOST:PORT of the mail intake, or `off` (or TIPSTAFF_SMTP_LISTEN).")
@click.option("--workers", type=int, help="Pipeline workers (or TIPSTAFF_WORKERS).")
def up(state: str | None, listen: str | None, smtp_listen: str | None, workers: int | None) -> None:
    """Run everything: database, web, workers, intake. Ctrl-C or SIGTERM stops it cleanly."""
    from tipstaff.project.supervisor import Supervisor

    if state:
        environment.choose_state(state)
    for name, value in (("listen", listen), ("smtp_listen", smtp_listen), ("workers", workers)):
        if value is not None:
            environment.change(name, str(value))
    Supervisor(environment.state_directory()).run()


@click.command()
@click.argument("what", type=click.Choice(["web", *LOOPS, "sample"]))
@click.option("--listen", help="HOST:PORT of the web server (or TIPSTAFF_LISTEN).")
def run(what: str, listen: str | None) -> None:
    """Run one part in the foreground, on this or another host, against the database that is already there."""
    if listen:
        environment.change("listen", listen)
    database.setup_django()
    if what not in WITHOUT_DATABASE:
        database.wait_until_usable(timeout=environment.number("patience"))
    if what == "web":
        serve_web()
    elif what == "sample":
        click.echo(load_sample())
    else:
        run_loop(what)


def run_loop(name: str) -> None:
    """Run a worker's loop until SIGTERM or SIGINT."""
    if not exists(name):
        raise TipstaffError(f"this installation has no {name}: {LOOPS[name]} is missing")
    stop = threading.Event()

    def on_signal(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, on_signal)
    module, _, function = LOOPS[name].partition(":")
    getattr(import_module(module), function)(stop)


def serve_web() -> None:
    """Serve HTTP with granian, whose threads wait for bodies; those that make pages are our own (turns.py)."""
    from granian import Granian
    from granian.constants import Interfaces

    from tipstaff.project.bodies import WAITING

    listening = environment.address("listen")
    if listening is None:
        raise InputError(Problem("TIPSTAFF_LISTEN", "is off", "give HOST:PORT to run the web server"))
    refuse_taken_port(*listening)
    Granian(
        "tipstaff.project.wsgi:application",
        address=listening[0],
        port=listening[1],
        interface=Interfaces.WSGI,
        blocking_threads=WAITING + environment.number("web_threads"),
        websockets=False,
        log_access=False,
        respawn_failed_workers=False,  # the server ends with its worker: who watches it sees that, and starts it again
        workers_kill_timeout=5,
    ).serve()


def refuse_taken_port(host: str, port: int) -> None:
    """Say plainly that somebody else listens there; the server would share the port with them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = "stop the other program, or choose another port with --listen or TIPSTAFF_LISTEN"
            raise InputError(Problem(f"{host}:{port}", f"cannot listen there: {error.strerror}", advice)) from error


def load_sample() -> str:
    """Load the labelled sample into the database of this instance; what to tell the person who tries it."""
    if find_spec(SAMPLE) is None:
        return "no sample in this installation"
    told: str = import_module(SAMPLE).load(now=now())
    return told


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(as_json: bool) -> None:
    """One line per child of a running `tipstaff up`, and one per source: mailbox, feed, folder, listener."""
    path = environment.state_directory() / "status.json"
    known = json.loads(path.read_text()) if path.exists() else {"supervisor": None, "children": []}
    known["running"] = is_running(environment.state_directory())
    known["sources"], known["sources_unknown"] = ways_in.ways_in() if known["running"] else ([], "not running")
    if as_json:
        click.echo(json.dumps(known))
    elif not known["running"]:
        click.echo(f"not running ({environment.state_directory()})")
    else:
        _say_status(known)
    sys.exit(0 if known["running"] else 1)


def _say_status(known: dict[str, Any]) -> None:
    for child in known["children"]:
        pid = child["pid"] or "-"
        click.echo(f"{child['name']:<10} {child['state']:<10} pid {pid:<8} restarts {child['restarts']}  {child['note']}")
    click.echo("\nsources" + (f": {known['sources_unknown']}" if known["sources_unknown"] else ""))
    for line in known["sources"]:
        click.echo(ways_in.told(line))
    if not known["sources"] and not known["sources_unknown"]:
        click.echo("none yet; `tipstaff source add` makes one, and the mail listener's appears with its first mail")


@click.command()
@click.option("--port", type=int, default=0, help="Port of the web server; without it a free one.")
@click.option("--keep", is_flag=True, help="Keep the demo's files when it ends, and say where they are.")
def demo(port: int, keep: bool) -> None:
    """Run everything on a throwaway state with a labelled sample. Nothing is sent. Ctrl-C ends it and erases it."""
    from tipstaff.project.supervisor import Supervisor

    state = Path(tempfile.mkdtemp(prefix="tipstaff-demo-"))
    if processes.is_root():
        state.chmod(0o711)  # the database's account must pass through, as in every state directory of root
    environment.choose_state(state)
    environment.change("listen", f"127.0.0.1:{port or free_port()}")
    environment.change("smtp_listen", f"127.0.0.1:{free_port()}")
    for name in ("database_url", "database_owner_url", "public_url", "evidence_store"):
        environment.change(name, "")  # a demo never touches what the environment names for real work
    environment.change("sending", "local")
    environment.change("operator_name", "Northgate Networks (sample)")
    environment.change("second_factor_roles", "")  # everybody may set one up, nobody is reminded
    host_and_port = environment.get("listen")

    def announce() -> None:
        click.echo(f"\n  Open http://{host_and_port}/   (Ctrl-C ends the demo and erases it)\n")

    first = [ours("run", "sample")] if find_spec(SAMPLE) else []
    try:
        Supervisor(state, first=first, announce=announce).run()
    finally:
        if keep:
            click.echo(f"kept: {state}")
        else:
            shutil.rmtree(state, ignore_errors=True)


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number
