"""Network namespaces and whether this machine can have them, for tests against real gateways, routers and servers.

``TIPSTAFF_REQUIRE_SERVERS=1`` (set by ``.ci/run`` as root) turns every skip of this package into a failure.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def need(*programs: str) -> None:
    """Skip (which fails where all must run) unless we are root and the programs are installed."""
    lacking = [name for name in programs if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    reason = ""
    if os.geteuid() != 0:
        reason = "needs root, for network namespaces"
    elif lacking:
        reason = f"not installed: {', '.join(lacking)}"
    if reason:
        pytest.skip(reason)


def run(*words: str, given: str | None = None) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@contextmanager
def namespaces(*names: str) -> Iterator[dict[str, str]]:
    """Fresh network namespaces with loopback up; by the given names their real ones. Gone afterwards."""
    mark = uuid.uuid4().hex[:6]
    made = {name: f"ts{mark}{name}" for name in names}
    try:
        for real in made.values():
            run("ip", "netns", "add", real)
            run("ip", "-n", real, "link", "set", "lo", "up")
            quick = "for name in all default; do echo 0 > /proc/sys/net/ipv6/conf/$name/accept_dad; done"
            run("ip", "netns", "exec", real, "sh", "-c", quick)  # an address is usable at once
        yield made
    finally:
        for real in made.values():
            subprocess.run(["ip", "netns", "del", real], capture_output=True, check=False)


def cable(one: str, address: str, other: str, opposite: str, name: str) -> None:
    """A veth pair between two namespaces, addresses with masks; several addresses separated by commas."""
    run("ip", "link", "add", f"{name}a", "netns", one, "type", "veth", "peer", "name", f"{name}b", "netns", other)
    for space, device, texts in ((one, f"{name}a", address), (other, f"{name}b", opposite)):
        for text in texts.split(","):
            extra = ["nodad"] if ":" in text else []
            run("ip", "-n", space, "address", "add", text, "dev", device, *extra)
        run("ip", "-n", space, "link", "set", device, "up")


def need_programs(*programs: str) -> None:
    """Skip (which fails where all must run) unless the programs are installed; for what runs without root."""
    lacking = [name for name in programs if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
