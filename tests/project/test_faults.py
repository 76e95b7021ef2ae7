"""Real programs, really killed: what was running comes back, and what was stopped leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.project.instances import PATIENCE, ROOT, Instance
from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent death signals are Linux's")]


@pytest.fixture(scope="module")
def running(open_place: Path) -> Iterator[Instance]:
    instance = Instance(open_place / "shared").start()
    try:
        yield instance.ready()
        instance.stop()
    finally:
        instance.kill_everything()


@pytest.fixture
def fresh(open_place: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:
    instance = Instance(open_place / request.node.name[:40])
    yield instance
    instance.kill_everything()


def living(instance: Instance, name: str) -> int:
    assert wait_until(lambda: psutil.pid_exists(instance.children()[name] or 0), PATIENCE), instance.said()
    pid = instance.children()[name]
    assert pid is not None
    return pid


def back(instance: Instance, name: str, old: int) -> bool:
    def happened() -> bool:
        new = instance.children().get(name)
        return new not in (None, old) and psutil.pid_exists(new) and instance.answers()

    return wait_until(happened, PATIENCE)


def test_status_names_every_child_with_a_living_process(running: Instance) -> None:
    children = running.children()
    assert {"database", "web"} <= set(children)
    assert all(pid is not None and psutil.pid_exists(pid) for pid in children.values())


def test_status_names_the_ways_in_as_the_database_knows_them(running: Instance) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "tipstaff.project.cli", "--state", str(running.state), "status", "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    known = json.loads(asked.stdout)
    assert known["running"] and known["sources_unknown"] == "" and isinstance(known["sources"], list)


def test_every_killed_child_comes_back(running: Instance) -> None:
    for name in running.children():
        # A child may have ended because another did (a worker whose database went away): ask for its number of now.
        pid = living(running, name)
        os.kill(pid, signal.SIGKILL)
        assert back(running, name, pid), f"{name} did not come back:\n{running.said()}"
    assert "killed by SIGKILL" in running.said()


def test_a_killed_web_worker_comes_back(running: Instance) -> None:
    web = psutil.Process(living(running, "web"))
    worker = next(child for child in web.children() if "resource_tracker" not in " ".join(child.cmdline()))
    worker.kill()
    assert back(running, "web", web.pid), running.said()


def test_the_state_is_taken_by_one_supervisor(running: Instance) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "tipstaff.project.cli", "up", "--state", str(running.state)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"is in use by process {running.supervisor.pid}" in second.stderr


def test_the_socket_is_closed_to_others(running: Instance) -> None:
    assert (running.state / "run").stat().st_mode & 0o007 == 0
    assert (running.state / "postgres").stat().st_mode & 0o077 == 0
    assert (running.state / "secret.key").stat().st_mode & 0o077 == 0


def test_every_page_forbids_inline_script(running: Instance) -> None:
    try:
        response = urllib.request.urlopen(f"http://127.0.0.1:{running.port}/nowhere", timeout=5)
    except urllib.error.HTTPError as error:
        response = error
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_nothing_outlives_a_killed_supervisor(fresh: Instance) -> None:
    fresh.start().ready()
    assert len(fresh.processes()) > 4
    fresh.supervisor.kill()
    fresh.supervisor.wait()
    assert fresh.gone(), [(found.pid, found.cmdline()) for found in fresh.processes()]


def test_nothing_outlives_a_supervisor_killed_together_with_its_web_server(fresh: Instance) -> None:
    fresh.start().ready()
    web = fresh.children()["web"]
    assert web is not None
    fresh.supervisor.send_signal(signal.SIGSTOP)  # it cannot sweep up any more
    os.kill(web, signal.SIGKILL)
    fresh.supervisor.kill()
    fresh.supervisor.wait()
    assert fresh.gone(), [(found.pid, found.cmdline()) for found in fresh.processes()]


def test_it_starts_again_right_after_a_kill(fresh: Instance) -> None:
    fresh.start().ready()
    fresh.supervisor.kill()
    fresh.supervisor.wait()
    fresh.start().ready()
    assert fresh.stop() == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(fresh: Instance, sent: signal.Signals) -> None:
    fresh.start().ready()
    fresh.supervisor.send_signal(sent)
    assert fresh.supervisor.wait(PATIENCE) == 0
    assert fresh.gone(1)
    assert "killed" not in fresh.said() and "database   stopped" in fresh.said()
    assert "database system is shut down" in (fresh.state / "log" / "postgres.log").read_text()


def test_two_instances_side_by_side_one_in_a_long_path(open_place: Path) -> None:
    long = open_place.joinpath(*["long directory, with 'quotes' and commas " + "x" * 150] * 4, "state")
    long.parent.mkdir(parents=True)
    first, second = Instance(open_place / "one"), Instance(long)
    try:
        for instance in (first.start(), second.start()):
            instance.ready()
        assert first.stop() == 0
        assert second.answers()
        assert second.stop() == 0
    finally:
        first.kill_everything()
        second.kill_everything()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; the other tests ran as an ordinary user")
def test_an_ordinary_user_can_run_it(open_place: Path) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    python = f"/usr/bin/python{sysconfig.get_python_version()}"
    if not Path(python).exists():
        pytest.skip(f"{python} is missing, and an ordinary user may not read root's own Python")
    home = open_place / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    paths = f"{sysconfig.get_path('purelib')}:{ROOT}"
    instance = Instance(home / "state", (*nobody, python, "-B"), {"PYTHONPATH": paths, "HOME": str(home)})
    try:
        instance.start().ready()
        assert {found.uids().real for found in instance.processes()} == {65534}
        assert instance.stop() == 0
    finally:
        instance.kill_everything()


def test_a_demo_tells_its_address_and_erases_itself(open_place: Path) -> None:
    demo = Instance(open_place / "demo")
    try:
        demo.start("demo", "--port", str(demo.port)).ready(240)  # the sample is a month of mail
        assert wait_until(lambda: f"Open http://127.0.0.1:{demo.port}/" in demo.said(), PATIENCE), demo.said()
        assert "sample is loaded" in demo.said() and "ign in as" in demo.said()
        places = [Path(child.cwd()).parent for child in psutil.Process(demo.supervisor.pid).children()]
        state = next(place for place in places if place.name.startswith("tipstaff-demo-"))
        assert (state / "status.json").exists()
        assert demo.stop() == 0
        assert not state.exists()
    finally:
        demo.kill_everything()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's database runs as another account")
def test_roots_database_runs_without_rights(running: Instance) -> None:
    database = psutil.Process(running.children()["database"])
    assert database.uids().real != 0
