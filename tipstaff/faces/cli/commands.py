"""The operators' commands: name -> "module:attribute", imported only when called. `parse` must import no Django."""

COMMANDS = {
    "export": "tipstaff.faces.cli.inventory:export",
    "import": "tipstaff.faces.cli.inventory:import_",
    "parse": "tipstaff.faces.cli.parse:parse",
    "policy": "tipstaff.faces.cli.policy:policy",
    "who": "tipstaff.faces.cli.who:who",
}

#: Commands that run without Django.
WITHOUT_DATABASE = frozenset({"parse"})
