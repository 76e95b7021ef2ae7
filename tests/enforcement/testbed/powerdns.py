"""A real PowerDNS with its SQLite backend, its HTTP API and its name server on free loopback ports."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx

from tests.enforcement.testbed.programs import Program
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import answers, wait_until

SCHEMA = Path("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql")
KEY = "key-of-the-test-bed"
CONF = """
launch=gsqlite3
gsqlite3-database={directory}/pdns.sqlite
gsqlite3-dnssec=yes
gsqlite3-pragma-journal-mode=WAL
gsqlite3-pragma-synchronous=1
local-address=127.0.0.1
local-port={port}
socket-dir={directory}
api=yes
api-key={key}
webserver=yes
webserver-address=127.0.0.1
webserver-port={web}
webserver-allow-from=127.0.0.1
primary=yes
default-api-rectify=yes
guardian=no
daemon=no
disable-syslog=yes
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
loglevel=4
"""


class PowerDnsBed:
    def __init__(self, directory: Path) -> None:
        self.directory, self.port, self.web = directory, free_port(), free_port()
        with sqlite3.connect(directory / "pdns.sqlite") as database:
            database.executescript(SCHEMA.read_text())
        (directory / "pdns.conf").write_text(CONF.format(directory=directory, port=self.port, web=self.web, key=KEY))
        self.program = Program(directory, "pdns_server", f"--config-dir={directory}")
        self.client = httpx.Client(base_url=f"{self.url}/api/v1/servers/localhost", headers={"X-API-Key": KEY}, timeout=10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}"

    @property
    def settings(self) -> dict[str, str]:
        return {"url": self.url, "api_key": "PDNS_KEY", "park4": "192.0.2.80", "park6": "2001:db8:80::80"}

    def start(self) -> None:
        self.program.start()
        assert wait_until(lambda: answers("127.0.0.1", self.web), 60), self.program.said()
        assert wait_until(lambda: self.client.get("/zones").status_code == 200, 60), self.program.said()

    def kill(self) -> None:
        self.program.kill()

    def create(self, zone: str, *rrsets: dict[str, Any], **fields: Any) -> None:
        """A zone without secondaries: PowerDNS's own notes of what it told them would write to SQLite beside us."""
        body = {"name": zone, "kind": "Native", "nameservers": ["ns1.provider.test."], "rrsets": list(rrsets), **fields}
        answer = self.client.post("/zones", json=body)
        assert answer.status_code == 201, answer.text

    def delete(self, zone: str) -> None:
        self.client.delete(f"/zones/{zone}")

    def patch(self, zone: str, *rrsets: dict[str, Any]) -> None:
        answer = self.client.patch(f"/zones/{zone}", json={"rrsets": list(rrsets)})
        assert answer.status_code == 204, answer.text

    def rrsets(self, zone: str) -> list[dict[str, Any]]:
        return self.client.get(f"/zones/{zone}").json()["rrsets"]

    def standing(self) -> Any:
        """Everything in every zone but the serial: rrsets with their comments, and metadata."""
        return {zone["name"]: self._zone(zone["name"]) for zone in self.client.get("/zones").json()}

    def _zone(self, name: str) -> Any:
        rrsets = [_plain(one) for one in self.rrsets(name) if one["type"] != "SOA"]
        kept = self.client.get(f"/zones/{name}/metadata").json()
        notes = [(one["kind"], one["metadata"]) for one in kept if one["kind"].startswith("X-")]
        return sorted(rrsets, key=str), sorted(notes)


def _plain(rrset: dict[str, Any]) -> dict[str, Any]:
    comments = [(one["content"], one["account"]) for one in rrset["comments"]]
    records = sorted((one["content"], one["disabled"]) for one in rrset["records"])
    return {**rrset, "comments": comments, "records": records}


def rrset(name: str, kind: str, *contents: str, ttl: int = 300, **fields: Any) -> dict[str, Any]:
    """One REPLACE of a PATCH, or one rrset of a new zone."""
    records = [{"content": one, "disabled": False} for one in contents]
    return {"name": name, "type": kind, "ttl": ttl, "changetype": "REPLACE", "records": records, **fields}
