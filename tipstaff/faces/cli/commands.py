"""The operators' commands: name -> "module:attribute", imported only when called. `parse` must import no Django."""

COMMANDS = {
    "parse": "tipstaff.faces.cli.parse:parse",
    "policy": "tipstaff.faces.cli.policy:policy",
}

#: Commands that run without Django.
WITHOUT_DATABASE = frozenset({"parse"})
