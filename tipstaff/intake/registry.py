"""Every parser, in one explicit list. A new one is a module in ``parsers`` and a line here."""

from types import ModuleType

from tipstaff.intake.parsers import (
    abuse_ch,
    abusehub,
    abuseipdb,
    acns,
    arf,
    blocklist_de,
    cleanmx,
    cloudflare,
    cyscon,
    generic_feed,
    google_safe_browsing,
    netcraft,
    project_honeypot,
    shadowserver,
    snds,
    spamcop,
    spamhaus,
    webiron,
    x_arf,
    xarf,
)

#: The highest claim parses. Equal claims on one message are a defect that the contract tests find: the order decides nothing.
PARSERS: tuple[ModuleType, ...] = (
    arf,
    snds,
    xarf,
    x_arf,
    acns,
    blocklist_de,
    netcraft,
    cyscon,
    webiron,
    cleanmx,
    google_safe_browsing,
    project_honeypot,
    spamcop,
    spamhaus,
    abuseipdb,
    abuse_ch,
    cloudflare,
    abusehub,
    generic_feed,
    shadowserver,
)
