"""The operators' commands: name -> "module:attribute", imported only when called. `parse` must import no Django."""

COMMANDS = {
    "parse": "tipstaff.faces.cli.parse:parse",
}
