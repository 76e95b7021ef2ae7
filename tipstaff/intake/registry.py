"""Every parser, in one explicit list. A new one is a module in ``parsers`` and a line here."""

from types import ModuleType

from tipstaff.intake.parsers import abusehub, arf, generic_feed, shadowserver, snds, xarf

#: The highest claim parses. Equal claims on one message are a defect that the contract tests find: the order decides nothing.
PARSERS: tuple[ModuleType, ...] = (
    arf,
    snds,
    xarf,
    abusehub,
    generic_feed,
    shadowserver,
)
