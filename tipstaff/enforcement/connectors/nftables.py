"""Packets dropped or led into a walled garden at a Linux gateway, by nftables.

Every change is one document on the standard input of ``nft -j -f -``: it is done wholly or not at all. The command may
be one that runs nft elsewhere (``ssh -o BatchMode=yes gw1 nft``, ``ip netns exec edge nft``).
"""

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tipstaff.enforcement import rails, targets
from tipstaff.enforcement.connectors import nftables_rules as rules
from tipstaff.enforcement.connectors.contract import (
    Field,
    InPlace,
    Misunderstood,
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
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

TOGETHER = 2000  # orders in one document
GRACE = 60  # seconds by which the kernel's own end lies behind the order's
# Only in nft's own words: what carries the words to it (ip, ssh, a shell) also says "No such file or directory".
_MISSING = re.compile(
    r"^(?:/dev/stdin:\S+ |internal:\S+ )?Error: (?:Could not process rule: )?No such file or directory", re.MULTILINE
)
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_COMMENT = re.compile(r'comment "([^"]*)"')
_AWAY = {126, 127, 255}  # cannot be run, not found, and what ssh says when it has no connection


class Nftables:
    """The connector. ``suspend`` of a machine is the same as ``block``: its packets are dropped both ways."""

    name: ClassVar[str] = "nftables"
    label: ClassVar[str] = "Gateway (nftables)"
    does = rules.DOES
    form: ClassVar[tuple[Field, ...]] = (
        Field("command", "Command", "how nft is run at the gateway, such as: ssh -o BatchMode=yes gw1 nft", default="nft"),
        Field("table", "Table", "an inet table of our own, made where it is missing", default="tipstaff"),
        Field("garden4", "Walled garden", "IPv4 address of the page customers in the garden see", required=False),
        Field("garden6", "Walled garden, IPv6", "its IPv6 address", required=False),
        Field("open", "Open from the garden", "addresses of portal and resolver, separated by spaces", required=False),
        Field("timeout", "Patience", "seconds for one call", default="10"),
    )

    def __init__(self, settings: Mapping[str, str], bounds: rails.Bounds, secret: Callable[[str], str] | None = None) -> None:
        values = {field.name: settings.get(field.name) or field.default for field in self.form}
        self.command = shlex.split(values["command"])
        if not self.command or not _TABLE.fullmatch(values["table"]):
            raise InputError(Problem("table", f"{values['table']!r} is no name of a table", "letters, digits and _"))
        opened = [str(targets.loose_network(text).network_address) for text in values["open"].split()]
        self.layout = rules.Layout(
            values["table"],
            _address(values["garden4"]),
            _address(values["garden6"]),
            tuple(one for one in opened if ":" not in one),
            tuple(one for one in opened if ":" in one),
        )
        self.bounds = bounds
        self.timeout = float(values["timeout"])

    def plan(self, order: OrderView) -> Plan:
        empty = rules.Found({}, {})
        length = rules.skeleton(self.layout)
        steps = rules.addition(self.layout, order, 0, empty)[len(length) :]
        shown = tuple(f"{' '.join(self.command)} {_words(step)} until {order.expires_at:%Y-%m-%d %H:%M %Z}" for step in steps)
        undo = tuple(f"{' '.join(self.command)} {_words(step, 'delete')}" for step in steps)
        effect = "leads into the walled garden" if order.kind == "walled_garden" else "drops packets of"
        return Plan(f"{effect} {order.target.text} ({order.direction})", shown, undo)

    def snapshot(self, order: OrderView) -> dict[str, Any]:
        """Nothing of the gateway's is replaced, so there is nothing to keep but whether the place was free."""
        return {"free": not self._standing(order)}

    def apply(self, order: OrderView) -> Receipt:
        rails.admit(self.does, order, self.bounds)
        if order.kind == "walled_garden" and not self._garden(order):
            raise Rejected("no walled garden is configured for this family: set garden4 or garden6")
        standing = self._standing(order)
        if any(comment != order.tag for comment in standing.values()):
            raise NotOurs(f"{order.target.text} already stands in the table with {sorted(set(standing.values()))}")
        found = self._list() if rules.is_wide(order) else rules.Found(standing, {})
        timeout = max(1, int((order.expires_at - now()).total_seconds())) + GRACE
        output = self._change(rules.addition(self.layout, order, timeout, found))
        return Receipt(order, {}, output)

    def verify(self, receipt: Receipt) -> Verification:
        order = receipt.order
        if rules.is_wide(order):
            there = [comment for comment, _ in self._list().rules.values() if comment == order.tag]
            return Verification(State.IN_PLACE if there else State.ABSENT, f"{len(there)} rules carry {order.tag}")
        standing = self._standing(order)
        if any(comment != order.tag for comment in standing.values()):
            return Verification(State.FOREIGN, f"{order.target.text} stands there as {sorted(set(standing.values()))}")
        wanted = len(rules.elements(order))
        whole = len(standing) == wanted or bool(standing and order.leaving)
        state = State.IN_PLACE if whole else State.ABSENT
        return Verification(state, f"{len(standing)} of {wanted} elements carry {order.tag}")

    def lift(self, receipt: Receipt) -> None:
        order = receipt.order
        if rules.is_wide(order):
            self._take_away(order.tag, self._list())
            return
        standing = self._standing(order)
        if any(comment != order.tag for comment in standing.values()):
            raise NotOurs(f"{order.target.text} was changed by somebody and is left as it is")
        self._take_away(order.tag, rules.Found(standing, {}))

    def lift_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """Take away all that carries exactly these orders' tags, in one listing and a few documents; the tags that are gone.

        Rules of wide orders are left to be verified one by one: somebody may have changed them.
        """
        found = self._list()
        wanted = {receipt.order.tag for receipt in receipts if not rules.is_wide(receipt.order)}
        there = sorted(wanted & ({*found.elements.values()} | {comment for comment, _ in found.rules.values()}))
        for start in range(0, len(there), TOGETHER):
            self._change(rules.removals(self.layout, set(there[start : start + TOGETHER]), found))
        return frozenset(there)

    def gone_together(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """The tags of those none of whose elements stands there, whoever's, in one listing; wide ones are looked at one by one."""
        held = self._list().elements
        narrow = (receipt.order for receipt in receipts if not rules.is_wide(receipt.order))
        return frozenset(order.tag for order in narrow if not any(element in held for element in rules.elements(order)))

    def actual(self) -> frozenset[InPlace]:
        return rules.strays(self._list(), f"tipstaff:{self.bounds.instance}:")

    def remove(self, thing: InPlace) -> None:
        if number_of(thing.tag, self.bounds.instance) is None:
            raise NotOurs(f"{thing.tag} is not a tag of this installation")
        self._take_away(thing.tag, self._list())

    def _garden(self, order: OrderView) -> str:
        assert order.target.prefix is not None
        return self.layout.garden4 if order.target.prefix.version == 4 else self.layout.garden6

    def _take_away(self, tag: str, found: rules.Found) -> None:
        for attempt in (1, 2):  # the kernel may end an element between the reading and the deletion
            document = rules.removal(self.layout, tag, found)
            if not document:
                return
            try:
                self._change(document)
                return
            except Rejected as error:
                if attempt == 2 or "No such file" not in str(error):
                    raise
                found = self._list()

    def _standing(self, order: OrderView) -> dict[rules.Element, str]:
        """The order's elements that stand there, with their comments, without listing all the others."""
        kept = {}
        for element in rules.elements(order):
            words = ["get", "element", rules.FAMILY, self.layout.table, element.set, "{ " + element.text() + " }"]
            code, output, error = self._run(words)
            if code == 0:
                comment = _COMMENT.search(output)
                kept[element] = comment.group(1) if comment else ""
            elif not _is_missing(code, error):
                raise _rejection(code, error)
        return kept

    def _list(self) -> rules.Found:
        code, output, error = self._run(["-j", "list", "table", rules.FAMILY, self.layout.table])
        if _is_missing(code, error):
            return rules.Found({}, {})  # nft answered: there is no such table, so nothing of ours stands
        if code:
            raise _rejection(code, error)
        try:
            return rules.read(json.loads(output))
        except (ValueError, KeyError, TypeError) as broken:
            raise Misunderstood(f"nft's listing cannot be read: {type(broken).__name__}: {broken}") from broken

    def _change(self, document: list[rules.Json]) -> str:
        code, output, error = self._run(["-j", "-f", "-"], json.dumps({"nftables": document}))
        if code:
            raise _rejection(code, error)
        return output

    def _run(self, words: list[str], given: str = "") -> tuple[int, str, str]:
        # A command that reaches over ssh hands its words to a shell there, which must see them as we wrote them.
        far = self.command[0].rpartition("/")[2] == "ssh"
        command = [*self.command, *(map(shlex.quote, words) if far else words)]
        try:
            done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=self.timeout, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unanswered(f"nft did not answer within {self.timeout:g} s") from error
        except OSError as error:
            raise Unreachable(f"{self.command[0]} cannot be run: {error}") from error
        return done.returncode, done.stdout, done.stderr.strip()


def _is_missing(code: int, error: str) -> bool:
    return code == 1 and bool(_MISSING.search(error))


def _rejection(code: int, error: str) -> Exception:
    shown = error[:500] or f"exit code {code}"
    if code in _AWAY or "netns" in error or "ermission denied" in error or "not permitted" in error:
        return Unreachable(f"the gateway cannot be told: {shown}")
    return Rejected(f"nft refused: {shown}")


def _address(text: str) -> str:
    return str(targets.loose_network(text).network_address) if text else ""


def _words(step: rules.Json, verb: str = "add") -> str:
    body = next(iter(step.values()))
    if "rule" in body:
        rule, match = body["rule"], body["rule"]["expr"][0]["match"]
        prefix, side = match["right"]["prefix"], match["left"]["payload"]
        place = f"{side['protocol']} {side['field']} {prefix['addr']}/{prefix['len']}"
        return f"{verb} rule inet {rule['table']} wide {place} drop"
    value = body["element"]["elem"][0]["elem"]["val"]
    shown = value if isinstance(value, str) else " . ".join(map(str, value["concat"]))
    return f"{verb} element inet {body['element']['table']} {body['element']['name']} {{ {shown} }}"
