"""Stand-ins for systems of providers: real HTTP servers that answer as the vendors' documents show, with a state.

The real ones cannot run here (two are sold, two need a cluster), so what is proven is that we say what the documents
ask for and read what they show. Every exchange is kept, for tests that compare it with the documents word by word.
What real systems were seen to say is played back in ``test_webhook_recorded.py``.
"""

import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit


class Panel(ABC):
    """One system: ``answer`` gives (status, body, headers) for a request; ``accounts`` is what it knows."""

    preset = ""
    refs: tuple[str, str, str] = ("101", "102", "103")

    def __init__(self) -> None:
        self.exchanges: list[dict[str, Any]] = []
        self.broken: tuple[int, bytes] | None = None
        self.accounts: dict[str, dict[str, Any]] = {ref: self.fresh(ref) for ref in (*self.refs, "ours", "104")}
        self.start()

    def fresh(self, ref: str) -> dict[str, Any]:
        return {"suspended": False, "note": ""}

    def start(self, port: int = 0) -> None:
        panel = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                asked = {"method": self.command, "path": parts.path, "query": dict(parse_qsl(parts.query)), "content": content}
                asked["headers"] = {name.lower(): value for name, value in self.headers.items()}
                status, body, headers = panel.reply(asked)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def reply(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        self.exchanges.append(asked)
        if self.broken is not None:
            return *self.broken, {}
        asked["form"] = dict(parse_qsl(asked["content"].decode())) if b"=" in asked["content"][:200] else {}
        asked["json"] = json.loads(asked["content"]) if asked["content"][:1] == b"{" else None
        status, body, headers = self.answer(asked)
        return status, (json.dumps(body).encode() if body is not None else b""), headers

    @abstractmethod
    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]: ...

    @property
    def settings(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.port}"
        return {
            "preset": self.preset,
            "url": url,
            "secret": "TIPSTAFF_SECRET_PANEL",
            "user": "desk",
            "private": "yes",
            "identity": url,
        }

    def plant(self, ref: str) -> None:
        """Somebody else suspends it, for a reason of theirs."""
        self.accounts[ref] = {"suspended": True, "note": "Nonpayment"}

    def tamper(self, ref: str) -> None:
        self.plant(ref)

    def standing(self) -> Any:
        return {ref: dict(one) for ref, one in self.accounts.items()}


class Whmcs(Panel):
    """As developers.whmcs.com shows it under GetClientsProducts, UpdateClientProduct, ModuleSuspend and ModuleUnsuspend."""

    preset = "whmcs"

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        form = asked["form"]
        assert asked["path"] == "/includes/api.php" and form["responsetype"] == "json"
        if (form["identifier"], form["secret"]) != ("desk", SECRET):
            return 403, {"result": "error", "message": "Authentication Failed"}, {}
        ref = form.get("serviceid", "")
        if form["action"] == "GetClientsProducts":
            known = [self.product(one) for one in sorted(self.accounts) if ref in {"", one}]
            start, count = int(form.get("limitstart", 0)), int(form.get("limitnum", 25))
            page = known[start : start + count]
            body = {"result": "success", "totalresults": str(len(known)), "startnumber": start, "numreturned": len(page)}
            return 200, body | {"products": {"product": page} if page else ""}, {}
        if ref not in self.accounts:
            return 200, {"result": "error", "message": "Service ID not found"}, {}
        if form["action"] == "UpdateClientProduct":
            self.accounts[ref]["note"] = form.get("notes", "")
        else:
            suspended = {"ModuleSuspend": True, "ModuleUnsuspend": False}[form["action"]]
            self.accounts[ref] |= {"suspended": suspended, "why": form.get("suspendreason", "") if suspended else ""}
        return 200, {"result": "success"}, {}

    def fresh(self, ref: str) -> dict[str, Any]:
        return {"suspended": False, "note": "", "why": ""}

    def plant(self, ref: str) -> None:
        self.accounts[ref] = {"suspended": True, "note": "Nonpayment", "why": "Overdue on Payment"}

    def product(self, ref: str) -> dict[str, Any]:
        one = self.accounts[ref]
        return {
            "id": ref, "qty": "1", "clientid": "1", "orderid": "7", "pid": "3", "regdate": "2026-01-01", "name": "Starter",
            "domain": "shop.example.net", "serverid": "1", "servername": "Saturn", "suspensionreason": one["why"],
            "status": "Suspended" if one["suspended"] else "Active", "username": "carol1", "overideautosuspend": "",
            "notes": one["note"], "customfields": {"customfield": []}, "configoptions": {"configoption": []},
        }  # fmt: skip


class Cpanel(Panel):
    """As api.docs.cpanel.net shows it under suspendacct, unsuspendacct and listsuspended (WHM API 1)."""

    preset = "cpanel"
    user = "desk"
    refs = ("carol1", "carol2", "carol3")

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        assert asked["query"]["api.version"] == "1"
        if asked["headers"]["authorization"] != f"whm {self.user}:{SECRET}":
            return 403, {"cpanelresult": {"error": "Access denied"}}, {}
        function, ref = asked["path"].removeprefix("/json-api/"), asked["query"].get("user", "")
        told: dict[str, Any] = {"metadata": {"command": function, "reason": "OK", "result": 1, "version": 1}}
        if function == "listsuspended":
            told["data"] = {"account": [self.listed(one) for one in sorted(self.accounts) if self.accounts[one]["suspended"]]}
        elif ref not in self.accounts:
            return 200, {"metadata": {"command": function, "result": 0, "reason": "No such user", "version": 1}}, {}
        else:
            away = function == "suspendacct"
            self.accounts[ref] = {"suspended": away, "note": asked["query"].get("reason", "Unknown") if away else ""}
            told["metadata"]["output"] = {
                "raw": f"{ref}'s account has been suspended\n" if away else f"{ref}'s account is now active\n"
            }
        return 200, told, {}

    def listed(self, ref: str) -> dict[str, Any]:
        when = {"time": "Sun Nov 22 10:34:34 2026", "unixtime": 1795343674}
        return {"user": ref, "owner": "root", "reason": self.accounts[ref]["note"], "is_locked": 0, **when}


class Proxmox(Panel):
    """As the API viewer shows it (pve.proxmox.com/pve-docs/api-viewer): /cluster/resources and a machine's config."""

    preset = "proxmox"
    hotplug = True  # else a change waits for a restart: only what is asked for as current shows what runs

    def __init__(self) -> None:
        self.running: dict[str, dict[str, Any]] = {}
        super().__init__()

    def fresh(self, ref: str) -> dict[str, Any]:
        return {
            "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0",
            "net1": "virtio=BC:24:11:00:00:02,bridge=vmbr1,link_down=1",
            "tags": "web",
        }

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if asked["headers"]["authorization"] != f"PVEAPIToken=desk={SECRET}":
            return 401, {"data": None, "message": "authentication failure\n"}, {}
        if asked["path"] == "/api2/json/cluster/resources":
            assert asked["query"] == {"type": "vm"}
            rows = [
                {"vmid": ref, "node": "pve1", "type": "qemu", "tags": one.get("tags", "")} for ref, one in self.accounts.items()
            ]
            return 200, {"data": rows}, {}
        ref = asked["path"].split("/")[6]
        assert asked["path"] == f"/api2/json/nodes/pve1/qemu/{ref}/config"
        digest = str(hash(tuple(sorted(self.accounts[ref].items()))))
        if asked["method"] == "GET":
            shown = self.running.get(ref, self.accounts[ref]) if asked["query"] == {"current": "1"} else self.accounts[ref]
            assert asked["query"] in ({}, {"current": "1"})
            return 200, {"data": {**shown, "digest": digest, "cores": 2}}, {}
        if asked["form"].pop("digest") != digest:
            return 500, {"data": None, "message": "detected modified configuration - file changed by other user?\n"}, {}
        for gone in asked["form"].pop("delete", "").split(","):
            self.accounts[ref].pop(gone, None)
        if not self.hotplug:
            tags = {"tags": asked["form"].get("tags", self.accounts[ref].get("tags", ""))}
            self.running[ref] = {**self.running.get(ref, self.accounts[ref]), **tags}
        self.accounts[ref].update(asked["form"])
        return 200, {"data": None}, {}

    def plant(self, ref: str) -> None:
        self.accounts[ref] = {**self.fresh(ref), "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=1"}


class Openstack(Panel):
    """As docs.openstack.org/api-ref shows it: Identity v3 (POST /auth/tokens) and Compute 2.73 (servers, metadata, actions)."""

    preset = "openstack"
    UNKNOWN: ClassVar[dict[str, Any]] = {"error": {"code": 401, "message": "Authentication is required.", "title": "Unauthorized"}}

    def fresh(self, ref: str) -> dict[str, Any]:
        return {**super().fresh(ref), "locked": False, "stopped": False}

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if asked["path"] == "/v3/auth/tokens":
            identity = asked["json"]["auth"]["identity"]
            assert identity["methods"] == ["application_credential"]
            good = identity["application_credential"] == {"id": "desk", "secret": SECRET}
            return (201, {"token": {}}, {"X-Subject-Token": "t0k3n"}) if good else (401, self.UNKNOWN, {})
        assert asked["headers"]["x-auth-token"] == "t0k3n" and asked["headers"]["x-openstack-nova-api-version"] == "2.73"
        words = asked["path"].split("/")
        if words[2] == "detail":
            return 200, {"servers": [self.described(ref) for ref in self.accounts]}, {}
        one = self.accounts.get(words[2])
        if one is None:
            return 404, {"itemNotFound": {"code": 404, "message": f"Instance {words[2]} could not be found."}}, {}
        if len(words) == 3:
            return 200, {"server": self.described(words[2])}, {}
        if words[3] == "metadata":
            one["note"] = asked["json"]["metadata"]["tipstaff"] if asked["method"] == "POST" else ""
            return (200, asked["json"], {}) if asked["method"] == "POST" else (204, None, {})
        (act,) = asked["json"]
        if act in {"lock", "unlock"}:
            assert act == "unlock" or asked["json"]["lock"]["locked_reason"].startswith("tipstaff:")
            one["locked"] = act == "lock"
            return 202, None, {}
        if one.get("task") or one.get("stopped") or one["suspended"] == (act == "suspend"):
            busy = f"Cannot '{act}' instance {words[2]} while it is in task_state {one.get('task')}"
            return 409, {"conflictingRequest": {"code": 409, "message": busy}}, {}
        one["suspended"] = act == "suspend"
        return 202, None, {}

    def described(self, ref: str) -> dict[str, Any]:
        one = self.accounts[ref]
        metadata = {"tipstaff": one["note"]} if one["note"] else {}
        return {
            "id": ref,
            "status": "SUSPENDED" if one["suspended"] else "SHUTOFF" if one.get("stopped") else "ACTIVE",
            "locked": one.get("locked", False),
            "metadata": metadata,
            "OS-EXT-STS:task_state": one.get("task"),
        }


class Standard(Panel):
    """An operator's own endpoint, as docs/enforcement.md describes it; it checks signatures as Standard Webhooks say."""

    preset = "standard"

    def answer(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        import base64
        import hashlib
        import hmac

        head, told = asked["headers"], asked["json"]["data"]
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + asked["content"]
        wanted = base64.b64encode(hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()).decode()
        if head["webhook-signature"] != f"v1,{wanted}":
            return 401, {"error": "signature"}, {}
        kind = asked["json"]["type"].removeprefix("tipstaff.order.")
        if kind == "list":
            things = [{"tag": one["note"], "target": ref} for ref, one in self.accounts.items() if one["suspended"]]
            return 200, {"things": things}, {}
        ref, tag = told.get("reference") or told["target"], told["tag"]
        one = self.accounts[ref]
        state = "in place" if one["suspended"] and one["note"] == tag else "foreign" if one["suspended"] else "absent"
        if kind == "apply" and state == "absent":
            self.accounts[ref], state = {"suspended": True, "note": tag}, "in place"
        if kind == "lift" and state == "in place":
            self.accounts[ref], state = {"suspended": False, "note": ""}, "absent"
        return 200, {"state": state, "detail": "as asked"}, {}


SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvbmx5"
PANELS = (Standard, Whmcs, Cpanel, Proxmox, Openstack)
