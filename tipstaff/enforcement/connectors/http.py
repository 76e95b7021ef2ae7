"""URLs, paths and hosts blocked at an nginx front: a file of maps, tested before it counts, and read back by asking nginx.

The file is replaced in one step. Before that a small configuration of its own proves that nginx can read it; after it
``nginx -t`` proves the whole, and where that fails the former file is back before anything is reloaded. Killed in
between, the next call finds the former file beside the new one and puts it back.
"""

import fcntl
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tipstaff.enforcement.connectors import http_rules
from tipstaff.enforcement.connectors.contract import (
    Field,
    InPlace,
    NotOurs,
    OrderView,
    Plan,
    Receipt,
    Rejected,
    State,
    Unanswered,
    Unreachable,
    Verification,
    number_of,
)
from tipstaff.enforcement.connectors.http_front import Front, answer
from tipstaff.enforcement.connectors.http_rules import Block, Page
from tipstaff.enforcement.rails import Bounds
from tipstaff.kernel.errors import InputError, Problem, Refused

TIMEOUT = 20.0
TAKEN_UP = 1.0  # seconds for the first new worker to answer; verifying comes after that anyway
OVERLAP = 0.15  # seconds: nginx lets old workers go on for 0.1 s after new ones have begun
BLOCKS, SERVER, FORMER, LOCK, TRIAL = "blocks.conf", "server.conf", "blocks.former", "lock", "trial.conf"


class Http:
    """The connector. ``directory`` is ours alone; nginx includes ``blocks.conf`` in http and ``server.conf`` in each server."""

    name: ClassVar[str] = "http"
    label: ClassVar[str] = "Web front (nginx)"
    does: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        (kind, what) for kind in ("url_block", "block") for what in ("url", "site")
    )
    form: ClassVar[tuple[Field, ...]] = (
        Field(
            "directory", "Directory", "a directory of our own that nginx's configuration includes", default="/etc/nginx/tipstaff"
        ),
        Field("nginx", "nginx", "the command that tests and reloads it", default="nginx"),
        Field("front", "Ask it at", "HOST:PORT of a server of it that includes server.conf", default="127.0.0.1:80"),
        Field("status", "Status", "451 where a law or court asks for the block, else 403", default="403"),
        Field("title", "Title of the page", "", default="This page is blocked"),
        Field(
            "text", "Words on the page", "who may be asked; the case's number is added", default="It breaks the provider's policy."
        ),
        Field("blocked_by", "Blocked by", "your URL, named in the answer (RFC 7725); empty: none", required=False),
    )
    timeout = TIMEOUT

    def __init__(self, settings: Mapping[str, str], bounds: Bounds, secret: Callable[[str], str] | None = None) -> None:
        values = {field.name: (settings.get(field.name) or field.default).strip() for field in self.form}
        self.bounds = bounds
        self.directory = Path(values["directory"])
        self.command = shlex.split(values["nginx"])
        self.front = _front(values["front"])
        self.page = _page(values)
        if not self.directory.is_absolute() or not self.command:
            raise InputError(Problem("directory", f"{values['directory']!r} is no absolute path", "name a directory of our own"))

    def plan(self, order: OrderView) -> Plan:
        block = self._block(order)
        wanted = http_rules.asked(order.target)
        return Plan(
            f"answer {order.target.text} with {self.page.status} at nginx, and nothing else",
            (
                f"write {self.directory / BLOCKS} with {http_rules.MARK}{block.tag}, pattern {http_rules.pattern(wanted)}",
                f"{shlex.join(self.command)} -t, then {shlex.join(self.command)} -s reload",
                f"ask {self.front.host}:{self.front.port} for it",
            ),
            (f"write {self.directory / BLOCKS} without {block.tag}, test and reload",),
        )

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        """A block is taken away by leaving it out; what nginx answers now is kept to be shown."""
        now = answer(self.front, http_rules.asked(order.target), self.timeout)
        return {"status": now.status, "case": now.case}

    def apply(self, order: OrderView) -> Receipt:
        self.bounds.check(order)
        block = self._block(order)
        self._awake()
        with self._alone():
            blocks = self._blocks()
            if block not in blocks:
                self._write([*(one for one in blocks if one.tag != block.tag), block])
            self._reload(block, blocked=True)
        return Receipt(order, {}, f"{len(blocks)} blocks stood before; tested and reloaded")

    def verify(self, receipt: Receipt) -> Verification:
        order = receipt.order
        block, wanted = self._block(order), http_rules.asked(order.target)
        given = answer(self.front, wanted, self.timeout)
        words = f"{given.status} for case {given.case or 'none'}"
        try:
            blocks = self._blocks()
        except NotOurs as error:
            return Verification(State.FOREIGN, str(error), words)
        written, shown = block in blocks, given.case is not None
        if not written and any(one.tag == block.tag for one in blocks):
            return Verification(State.FOREIGN, f"{block.tag} stands for something else than {block.text}", words)
        if not written:
            # Another order's block of the same thing, or of the site around it, may well answer.
            late = shown and order.leaving and not any(_covers(one, block) for one in blocks)
            return Verification(State.IN_PLACE if late else State.ABSENT, f"{block.text} is not in the file of blocks", words)
        if shown:
            return Verification(State.IN_PLACE, f"nginx answers {block.text} with the blocked page", words)
        state = State.IN_PLACE if order.leaving else State.ABSENT
        return Verification(state, f"{block.text} is in the file of blocks, and nginx answers as if it were not", words)

    def lift(self, receipt: Receipt) -> None:
        block = self._block(receipt.order)
        self._awake()
        with self._alone():
            blocks = self._blocks()
            if block not in blocks and any(one.tag == block.tag for one in blocks):
                raise NotOurs(f"{block.tag} stands for something else than {block.text}; it is left alone")
            if block in blocks:
                self._write([one for one in blocks if one != block])
            self._reload(block, blocked=any(_covers(one, block) for one in blocks))

    def actual(self) -> frozenset[InPlace]:
        self._awake()
        with self._alone():
            blocks = self._blocks()
        return frozenset(InPlace(block.tag, block.text, {"text": block.text}) for block in blocks)

    def remove(self, thing: InPlace) -> None:
        if number_of(thing.tag, self.bounds.instance) is None:
            raise NotOurs(f"{thing.target} carries the tag {thing.tag!r}, which is not this installation's")
        self._awake()
        with self._alone():
            blocks = self._blocks()
            gone = [one for one in blocks if one.tag == thing.tag]
            if gone:
                self._write([one for one in blocks if one.tag != thing.tag])
                self._reload(gone[0], blocked=any(_covers(one, gone[0]) for one in blocks))

    def _block(self, order: OrderView) -> Block:
        if (order.kind, order.target.scope) not in self.does:
            raise Refused(f"{self.name} cannot do {order.kind} of a {order.target.scope}")
        http_rules.asked(order.target)
        return Block(order.tag, order.case, order.target.scope, order.target.text)

    def _awake(self) -> None:
        """Raises Unreachable when no nginx answers: then nothing is written that nobody would read."""
        answer(self.front, http_rules.Asked("tipstaff.invalid", b"/"), self.timeout)

    def _blocks(self) -> tuple[Block, ...]:
        """What the file says; a file that somebody changed is NotOurs, one that is not there holds nothing."""
        path = self.directory / BLOCKS
        try:
            return http_rules.read(path.read_text()) if path.exists() else ()
        except (OSError, UnicodeDecodeError) as error:
            raise Unreachable(f"cannot read {path}: {error}") from error

    def _write(self, blocks: list[Block]) -> None:
        """The new file in the place of the old one, if nginx can live with it. Raises Rejected with nginx's words."""
        live, former, server = (self.directory / name for name in (BLOCKS, FORMER, SERVER))
        text, page = http_rules.render(blocks), http_rules.server_part(self.page)
        try:
            self._try_alone(text, page)
            if not live.exists():
                self._replace(live, http_rules.render([]))  # the servers' part names variables that this one makes
            if not server.exists() or server.read_text() != page:
                self._replace(server, page)
            os.link(live, former)
            self._replace(live, text)
            tested = self._run("-t")
            if tested.returncode:
                former.replace(live)
                raise Rejected(f"nginx does not take the blocks, and has the former ones: {_why(tested)}")
            former.unlink()
        except OSError as error:
            raise Rejected(f"cannot write to {self.directory}: {error}") from error

    def _try_alone(self, text: str, page: str) -> None:
        """Whether nginx can read both files at all, before they are anywhere that it will read them from."""
        here, trial = self.directory, self.directory / TRIAL
        self._replace(here / f"{TRIAL}.blocks", text)
        self._replace(here / f"{TRIAL}.server", page)
        self._replace(
            trial,
            f"pid {here}/trial.pid;\nerror_log {here}/trial.log;\nevents {{}}\nhttp {{\n"
            f"access_log off; map_hash_bucket_size 4096; map_hash_max_size 65536;\ninclude {here}/{TRIAL}.blocks;\n"
            f"server {{ listen 127.0.0.1:1; include {here}/{TRIAL}.server; }}\n}}\n",
        )
        tested = self._run("-t", "-c", str(trial))
        if tested.returncode:
            raise Rejected(f"nginx cannot read the blocks; nothing was changed: {_why(tested)}")

    def _reload(self, block: Block, *, blocked: bool) -> None:
        """Reload, and wait a moment until the workers of before are gone: they answer beside the new ones until then."""
        done = self._run("-s", "reload")
        if done.returncode:
            raise Unreachable(f"nginx cannot be reloaded: {_why(done)}")
        wanted, until = http_rules.asked(block.target()), time.monotonic() + TAKEN_UP
        while (answer(self.front, wanted, self.timeout).case is not None) is not blocked and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(OVERLAP)

    def _replace(self, path: Path, text: str) -> None:
        new = path.with_name(path.name + ".new")
        with new.open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        new.replace(path)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run([*self.command, *words], capture_output=True, text=True, timeout=self.timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"{shlex.join(self.command)} {' '.join(words)} did not end within {self.timeout:g} s") from error
        except OSError as error:
            raise Unreachable(f"{shlex.join(self.command)} cannot be run: {error}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One program at a time; what a killed one left half done is undone first."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = (self.directory / LOCK).open("w")
        except OSError as error:
            raise Unreachable(f"cannot write to {self.directory}: {error}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self.directory / FORMER).exists():
                (self.directory / FORMER).replace(self.directory / BLOCKS)
            yield


def _covers(one: Block, other: Block) -> bool:
    """Whether requests for ``other`` may meet ``one``: the same host is enough to leave the question to nginx."""
    return one.tag != other.tag and http_rules.asked(one.target()).host == http_rules.asked(other.target()).host


def _why(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if "[emerg]" in line or "[error]" in line] or done.stderr.splitlines()
    return (lines or ["no word"])[-1][:300]


def _front(text: str) -> Front:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise InputError(Problem("front", f"cannot read {text!r}", "write HOST:PORT"))
    return Front(host.strip("[]"), int(port))


def _page(values: Mapping[str, str]) -> Page:
    if values["status"] not in {"403", "451"}:
        raise InputError(Problem("status", f"{values['status']!r} is neither 403 nor 451", "choose one of them"))
    blocked_by = values["blocked_by"]
    if blocked_by and not (blocked_by.startswith(("https://", "http://")) and set(blocked_by) <= http_rules.IN_A_LINK):
        raise InputError(Problem("blocked_by", f"{blocked_by[:80]!r} is no plain URL", "write https://HOST/PATH"))
    return Page(int(values["status"]), values["title"], values["text"], blocked_by)
