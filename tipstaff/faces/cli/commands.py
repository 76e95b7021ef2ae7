"""The operators' commands: name -> "module:attribute", imported only when called. `parse` must import no Django."""

COMMANDS = {
    "audit": "tipstaff.faces.cli.audit:audit",
    "case": "tipstaff.faces.cli.case:case",
    "connector": "tipstaff.faces.cli.connector:connector",
    "enforce": "tipstaff.faces.cli.enforce:enforce",
    "evidence": "tipstaff.faces.cli.evidence:evidence",
    "export": "tipstaff.faces.cli.inventory:export",
    "flows": "tipstaff.faces.cli.flows:flows",
    "held": "tipstaff.faces.cli.held:held",
    "import": "tipstaff.faces.cli.inventory:import_",
    "outbox": "tipstaff.faces.cli.outbox:outbox",
    "parse": "tipstaff.faces.cli.parse:parse",
    "permit": "tipstaff.faces.cli.permits:permit",
    "policy": "tipstaff.faces.cli.policy:policy",
    "receive": "tipstaff.faces.cli.receive:receive",
    "shadow": "tipstaff.faces.cli.shadow:shadow",
    "source": "tipstaff.faces.cli.source:source",
    "staff": "tipstaff.faces.cli.staff:staff",
    "token": "tipstaff.faces.api.commands:token",
    "who": "tipstaff.faces.cli.who:who",
    "wording": "tipstaff.faces.cli.outbox:wording",
}

#: Commands that run without Django.
WITHOUT_DATABASE = frozenset({"parse"})
