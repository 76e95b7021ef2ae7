"""A real speaker and a real router on loopback: gobgpd announces, BIRD takes black holes and flow rules.

For benchmarks and tests. Both are ordinary child programs in a directory of their own, on free ports; each can be killed
and started again by itself, and none outlives this program.
"""

import contextlib
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tipstaff.enforcement.connectors.bird.control import Bird
from tipstaff.enforcement.connectors.contract import ConnectorError
from tipstaff.enforcement.connectors.gobgp.speaker import Speaker
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import wait_until

ASN = 65000
ROUTER, SPEAKER = "127.0.0.2", "127.0.0.3"
PROGRAMS = ("gobgpd", "bird")

BIRD_CONF = """
log "{directory}/bird.log" all;
router id 10.0.0.2;
ipv4 table master4;
ipv6 table master6;
flow4 table flowtab4;
flow6 table flowtab6;
protocol device {{}}
protocol bgp desk {{
  local {router} port {port} as {asn};
  neighbor {speaker} as {asn};
  strict bind yes;
  passive yes;
  graceful restart yes;
  ipv4 {{
    import filter {{ if net.len < 24 || !((65535,666) ~ bgp_community) then reject; dest = RTD_BLACKHOLE; accept; }};
    import keep filtered;
    import limit {limit} action block;
    export none;
  }};
  ipv6 {{
    import filter {{ if net.len < 48 || !((65535,666) ~ bgp_community) then reject; dest = RTD_BLACKHOLE; accept; }};
    import keep filtered;
    import limit {limit} action block;
    export none;
  }};
  flow4 {{ table flowtab4; import all; import limit {limit} action block; export none; validate off; }};
  flow6 {{ table flowtab6; import all; import limit {limit} action block; export none; validate off; }};
}}
"""

GOBGP_CONF = """
[global.config]
  as = {asn}
  router-id = "10.0.0.3"
  port = -1
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{router}"
    peer-as = {asn}
  [neighbors.transport.config]
    local-address = "{speaker}"
    remote-port = {port}
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = {restart_time}
"""

FAMILY_CONF = """
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "{name}"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
"""


def missing() -> list[str]:
    """Which of the two programs this machine lacks."""
    return [name for name in PROGRAMS if _program(name) is None]


def _program(name: str) -> str | None:
    """Where the program lies; servers often lie where the path of an ordinary user does not lead."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


@dataclass
class RoutingBed:
    """``with RoutingBed() as bed``: both run and their session is established.

    ``restart_time``: seconds that the router keeps the routes of a speaker that is gone. ``router_conf``: BIRD's
    configuration with the names in braces above; empty: the usual one.
    """

    restart_time: int = 60
    limit: int = 20_000
    router_conf: str = ""
    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="bgp-", dir="/tmp")))
    api_port: int = field(default_factory=free_port)
    bgp_port: int = field(default_factory=free_port)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> "RoutingBed":
        names = {"directory": self.directory, "router": ROUTER, "speaker": SPEAKER, "asn": ASN, "port": self.bgp_port}
        numbers = {"limit": self.limit, "restart_time": self.restart_time}
        (self.directory / "bird.conf").write_text((self.router_conf or BIRD_CONF).format(**names, **numbers))
        families = "".join(
            FAMILY_CONF.format(name=name) for name in ("ipv4-unicast", "ipv6-unicast", "ipv4-flowspec", "ipv6-flowspec")
        )
        (self.directory / "gobgpd.toml").write_text(GOBGP_CONF.format(**names, **numbers) + families)
        try:
            self.start_router()
            self.start_speaker()
            self.established()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for name in list(self.children):
            self.kill(name)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def speaker_address(self) -> str:
        return f"127.0.0.1:{self.api_port}"

    @property
    def control(self) -> Path:
        return self.directory / "b.ctl"

    @property
    def settings(self) -> dict[str, str]:
        """Of a BGP connector that works with these two."""
        return {"speaker": self.speaker_address, "asn": str(ASN), "routers": f"bird:{self.control}"}

    def bird(self) -> Bird:
        return Bird(str(self.control), 10)

    def start_router(self) -> None:
        self.control.unlink(missing_ok=True)
        self._start("bird", "-f", "-c", "bird.conf", "-s", "b.ctl", "-P", "bird.pid")
        assert wait_until(self.control.exists, 10), self.log()

    def start_speaker(self, *words: str) -> None:
        """``-r``: say that this is a graceful restart, so that the router keeps what it has until all is told anew."""
        self._start("gobgpd", "-f", "gobgpd.toml", "-t", "toml", "--api-hosts", self.speaker_address, "--pprof-disable", *words)

        def answers() -> bool:
            with contextlib.suppress(ConnectorError):
                return bool(speaker.sessions())
            return False

        speaker = Speaker(self.speaker_address, 2)
        try:
            assert wait_until(answers, 20), self.log()
        finally:
            speaker.close()

    def established(self, timeout: float = 40) -> None:
        assert wait_until(lambda: "Established" in "".join(self.bird().ask("show protocols").lines), timeout), self.log()

    def kill(self, name: str, sent: signal.Signals = signal.SIGKILL) -> None:
        """End ``bird`` or ``gobgpd`` for real and wait until it is gone."""
        child = self.children.pop(name, None)
        if child is not None:
            child.send_signal(sent)
            child.wait(10)

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.directory.glob("*.log"))

    def _start(self, *command: str) -> None:
        # Not by a function between fork and exec: gRPC's threads, which we use by then, take a fork badly.
        ending_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.directory / f"{command[0]}.out.log").open("ab") as out:
            self.children[command[0]] = subprocess.Popen(
                [*ending_with_us, _program(command[0]) or command[0], *command[1:]],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
