"""Every parser, in one explicit list. A new one is a module in ``parsers`` and a line here."""

from importlib import import_module
from types import ModuleType

#: Modules of ``tipstaff.intake.parsers``; where two claim with equal confidence the contract test fails, so order decides nothing.
NAMES = (
    "arf",
    "snds",
)

PARSERS: tuple[ModuleType, ...] = tuple(import_module(f"tipstaff.intake.parsers.{name}") for name in NAMES)
