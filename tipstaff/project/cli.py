"""The entry point ``tipstaff``: names every command and imports one only when it is called.

``tipstaff parse`` must need neither Django nor a database, and ``tipstaff --help`` should answer at once; so a command
here is a path to where it lives. The operators' commands of the product itself are listed by tipstaff.faces.cli.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import click

from tipstaff.kernel.errors import InputError, NotFound, TipstaffError

OURS = {
    "up": "tipstaff.project.commands.running:up",
    "run": "tipstaff.project.commands.running:run",
    "status": "tipstaff.project.commands.running:status",
    "demo": "tipstaff.project.commands.running:demo",
    "doctor": "tipstaff.project.commands.doctor:doctor",
    "db": "tipstaff.project.commands.db:db",
    "rehearse": "tipstaff.project.commands.rehearse:rehearse",
    "backup": "tipstaff.project.commands.backup:backup",
    "restore": "tipstaff.project.commands.backup:restore",
    "bench": "tipstaff.project.bench.cli:bench",
}
EXIT_FAILED, EXIT_USAGE, EXIT_NOT_FOUND = 1, 2, 3


FACE = "tipstaff.faces.cli.commands"  # its COMMANDS is a table like OURS
WITHOUT_DJANGO = {*OURS, "parse"}  # these load it themselves when they need it, or never


def _commands() -> dict[str, str]:
    """Every command's name and home."""
    known = OURS | (import_module(FACE).COMMANDS if _exists(FACE) else {})
    return {name: home for name, home in known.items() if _exists(home.partition(":")[0])}


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class LateGroup(click.Group):
    """A command group that imports a command's module when that command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _commands().get(cmd_name)
        if home is None:
            return None
        if cmd_name not in WITHOUT_DJANGO:
            from tipstaff.project.database import setup_django

            setup_django()
        module, _, name = home.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, found.get_short_help_str(80)) for name in self.list_commands(ctx) if (found := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _choose_state(ctx: click.Context, option: click.Parameter, state: str | None) -> None:
    """While the words are read: a command is looked up, and Django loaded for it, before the group's function runs."""
    if state:
        from tipstaff.project import environment

        environment.choose_state(state)


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("tipstaff"), prog_name="tipstaff")
@click.option(
    "--state", type=click.Path(), expose_value=False, callback=_choose_state, is_eager=True,
    help="State directory of this instance (or TIPSTAFF_STATE).",
)  # fmt: skip
def tipstaff() -> None:
    """An abuse desk for the people who run networks."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 partly done."""
    try:
        tipstaff.main(args=list(arguments) if arguments is not None else None, prog_name="tipstaff")
    except InputError as error:
        for problem in error.problems:
            print(f"tipstaff: {problem}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except NotFound as error:
        print(f"tipstaff: {error}", file=sys.stderr)
        sys.exit(EXIT_NOT_FOUND)
    except TipstaffError as error:
        print(f"tipstaff: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
