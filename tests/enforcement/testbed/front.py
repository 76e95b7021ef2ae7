"""A real nginx as the front of several sites, with the connector's files included as docs/connectors/http.md says."""

import http.client
import signal
from pathlib import Path
from typing import Any

import psutil

from tests.enforcement.testbed.programs import Program, found
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import answers, wait_until

CONF = """
daemon off;
user root;
worker_processes 1;
pid {here}/nginx.pid;
error_log {here}/error.log info;
events {{}}
http {{
  access_log off;
  client_body_temp_path {here}/body;
  proxy_temp_path {here}/proxy;
  fastcgi_temp_path {here}/fastcgi;
  uwsgi_temp_path {here}/uwsgi;
  scgi_temp_path {here}/scgi;
  large_client_header_buffers 4 32k;
  map_hash_bucket_size 4096;
  map_hash_max_size 65536;
  include {here}/tipstaff/block[s].conf;
  include {here}/others.conf;
  server {{
    listen 127.0.0.1:{port} default_server;
    server_name _;
    include {here}/tipstaff/serve[r].conf;
    location / {{
      if ($theirs) {{ return 410; }}
      add_header X-Seen-Uri $uri;
      return 200 "hello";
    }}
  }}
}}
"""
THEIRS = 'map $host$uri $theirs {{ default ""; {rows} }}\n'


def _lives(program: psutil.Process) -> bool:
    """Whether it still answers; it may go while it is asked."""
    try:
        return program.is_running() and program.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class FrontBed:
    def __init__(self, directory: Path) -> None:
        self.here, self.port, self.theirs = directory, free_port(), {}
        (directory / "nginx.conf").write_text(CONF.format(here=directory, port=self.port))
        self.let_others_block()
        self.program = Program(directory, "nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"))

    @property
    def directory(self) -> Path:
        return self.here / "tipstaff"

    @property
    def settings(self) -> dict[str, str]:
        command = f"{found('nginx')} -p {self.here} -c {self.here}/nginx.conf"
        return {"directory": str(self.directory), "nginx": command, "front": f"127.0.0.1:{self.port}"}

    def start(self) -> None:
        self.program.start()
        assert wait_until(lambda: answers("127.0.0.1", self.port), 60), self.said()

    def kill(self) -> None:
        """The master and its worker: a killed master leaves its workers serving."""
        if self.program.child is not None:
            self.program.child.send_signal(signal.SIGTERM)
            self.program.child.wait(10)
            self.program.child = None

    def said(self) -> str:
        return self.program.said() + (self.here / "error.log").read_text()[-3000:]

    def let_others_block(self, **rows: str) -> None:
        """Another operator's own block of host and path, in a file of his own."""
        self.theirs |= rows
        text = THEIRS.format(rows=" ".join(f'"{key}" 1;' for key in self.theirs.values()))
        (self.here / "others.conf").write_text(text)

    def reload(self) -> None:
        assert self.program.child is not None
        self.program.child.send_signal(signal.SIGHUP)

    def reload_wholly(self) -> None:
        """Until no worker of before is left: those go on answering for a moment.

        Twice: the first may only have ended what an earlier signal, not yet answered, began with the files of then.
        """
        for _ in range(2):
            before = self.workers()
            self.reload()
            self.wait_until_gone(before)

    def workers(self) -> list[psutil.Process]:
        assert self.program.child is not None
        return psutil.Process(self.program.child.pid).children()

    def wait_until_gone(self, workers: list[psutil.Process]) -> None:
        assert wait_until(lambda: not any(map(_lives, workers)), 60), self.said()

    def get(self, host: str, target: str) -> Any:
        """Status, headers and body of a request sent exactly so."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
            link.putheader("Host", host)
            link.endheaders()
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            link.close()

    def status(self, host: str, target: str) -> int:
        return self.get(host, target)[0]
