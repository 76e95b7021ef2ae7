"""The simulation keeps to the same contract as what really acts."""

import json
from pathlib import Path
from typing import ClassVar

import pytest

from tests.enforcement.connector_contract import ConnectorContract, bounds
from tipstaff.enforcement.connectors.contract import Receipt, State
from tipstaff.enforcement.connectors.journal import Journal
from tipstaff.kernel.errors import InputError


class TestJournal(ConnectorContract):
    kind, scope = "block", "machine"
    targets: ClassVar[tuple[str, str, str]] = ("203.0.113.7", "203.0.113.8", "2001:db8:7::9")
    outside, protected = "198.51.100.7", "203.0.113.1"

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Journal:
        self.path = tmp_path / "here" / "journal"
        self.path.parent.mkdir()
        self.made = Journal({"path": str(self.path)}, bounds())
        return self.made

    def standing(self) -> object:
        return self.made._standing()

    def plant(self, target: str) -> None:
        self.made._write("apply", f"block both {target}/128", "noc")

    def tamper(self, done) -> None:
        self.made._write("apply", f"block both {done.target.text}", "noc")

    def break_peer(self) -> None:
        self.path.parent.rename(self.path.parent.with_name("gone"))

    def mend_peer(self) -> None:
        self.path.parent.with_name("gone").rename(self.path.parent)

    def test_a_torn_last_line_counts_for_nothing(self, connector: Journal) -> None:
        receipt = self.carry_out(connector, self.order())
        with self.path.open("ab") as handle:
            handle.write(b'{"act": "lift", "pla')
        assert connector.verify(Receipt(receipt.order)).state is State.IN_PLACE

    def test_every_line_says_what_was_done(self, connector: Journal) -> None:
        self.take_away(connector, self.carry_out(connector, self.order()))
        assert [json.loads(line)["act"] for line in self.path.read_text().splitlines()] == ["apply", "lift"]


def test_it_wants_an_absolute_path() -> None:
    with pytest.raises(InputError):
        Journal({"path": "journal"}, bounds())
