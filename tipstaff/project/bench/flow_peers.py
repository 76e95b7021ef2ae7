"""Other collectors, started on the same datagrams to compare with: nfdump, pmacct, FastNetMon (all from Debian)."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tipstaff.project.bench.flow_traffic import LOCAL

LOCAL_NETWORK = f"{LOCAL >> 24}.{LOCAL >> 16 & 255}.0.0/12"


@dataclass(frozen=True)
class Peer:
    """A collector: its program per format, and how to start it in a folder on a port."""

    programs: dict[str, str]
    command: Callable[[Path, str, str, int], list[str]]

    def installed(self, kind: str) -> bool:
        return shutil.which(self.programs[kind]) is not None

    @contextmanager
    def running(self, folder: Path, kind: str, port: int) -> Iterator[list[int]]:
        """The process ids of its whole tree while it runs."""
        words = self.command(folder, self.programs[kind], kind, port)
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(3)
            if child.poll() is not None:
                raise RuntimeError(f"{words[0]} ended with {child.returncode}")
            tree = psutil.Process(child.pid)
            yield [child.pid, *(one.pid for one in tree.children(recursive=True))]
        finally:
            for one in psutil.Process(child.pid).children(recursive=True) if child.poll() is None else ():
                one.kill()
            child.kill()
            child.wait()


def nfdump(folder: Path, program: str, kind: str, port: int) -> list[str]:
    into = folder / "nfdump"
    into.mkdir(exist_ok=True)
    return [program, "-w", str(into), "-p", str(port), "-b", "127.0.0.1", "-B", str(64 << 20)]


def pmacct(folder: Path, program: str, kind: str, port: int) -> list[str]:
    listen = "sfacctd" if program == "sfacctd" else "nfacctd"
    lines = [
        "daemonize: false", f"{listen}_port: {port}", f"{listen}_ip: 127.0.0.1", "plugins: memory[a]", "aggregate[a]: src_net",
        f"networks_file: {folder / 'networks.txt'}", f"imt_path[a]: {folder / 'pmacct.pipe'}", "plugin_pipe_size: 64000000",
        "plugin_buffer_size: 64000", f"{listen}_as: file", f"{listen}_net: file",
    ]  # fmt: skip
    (folder / "networks.txt").write_text(f"{LOCAL_NETWORK}\n")
    (folder / "pmacct.conf").write_text("\n".join(lines) + "\n")
    return [program, "-f", str(folder / "pmacct.conf")]


def fastnetmon(folder: Path, program: str, kind: str, port: int) -> list[str]:
    flow, ports = ("sflow", "sflow_port") if kind == "sflow" else ("netflow", "netflow_port")
    lines = [
        f"{flow} = on", f"{ports} = {port}", f"{flow}_host = 127.0.0.1", f"networks_list_path = {folder / 'local.txt'}",
        f"white_list_path = {folder / 'white.txt'}", "enable_ban = off", "logging:local_syslog_logging = off",
        f"pid_path = {folder / 'fastnetmon.pid'}", f"cli_stats_file_path = {folder / 'fastnetmon.dat'}",
        "enable_api = off", "netflow_sampling_ratio = 1",
    ]  # fmt: skip
    (folder / "local.txt").write_text(f"{LOCAL_NETWORK}\n")
    (folder / "white.txt").write_text("")
    (folder / "fastnetmon.conf").write_text("\n".join(lines) + "\n")
    return [program, "--configuration_file", str(folder / "fastnetmon.conf"), "--log_to_console"]


def _named(netflow: str, sflow: str) -> dict[str, str]:
    return {"v5": netflow, "v9": netflow, "ipfix": netflow, "sflow": sflow}


PEERS = {
    "nfcapd": Peer(_named("nfcapd", "sfcapd"), nfdump),
    "nfacctd": Peer(_named("nfacctd", "sfacctd"), pmacct),
    "fastnetmon": Peer(_named("fastnetmon", "fastnetmon"), fastnetmon),
}
