"""Commands by which somebody decides: who is named must be a person, and the record says which shell acted in whose name.

A shell on this machine may name anybody, so the record keeps both names; what was refused is on the record too, as at the
desk. The command's words are kept, never its options: a reason may hold anything.
"""

import getpass
from contextlib import suppress
from typing import Any

import click

from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused

ABOUT = {"enforce": "order", "work": "work_order", "permit": "permit", "outbox": "message", "case": "case", "evidence": "hold"}


def _person(ctx: click.Context, option: click.Parameter, value: str) -> str:
    if ":" in value:
        raise click.BadParameter("name a member of staff; a program or a contact decides nothing here", ctx, option)
    return value


def own_shell_or_person(ctx: click.Context, option: click.Parameter, value: str) -> str:
    """For what this shell's user may do in their own name as well."""
    return value if value == shell() else _person(ctx, option, value)


def by_option(**more: Any) -> Any:
    """The option ``--by`` of a command that decides."""
    given = {
        "required": True,
        "metavar": "USERNAME",
        "help": "Who decides; goes on the record, with the name of this shell's user.",
    }
    return click.option("--by", callback=_person, **{**given, **more})


def shell() -> str:
    """The user of this shell, as the record names it."""
    return f"cli:{getpass.getuser()}"


class Acting(click.Command):
    """A command that goes on the record when somebody decides by it, and when it is refused."""

    def invoke(self, ctx: click.Context) -> Any:
        by = str(ctx.params.get("by") or "")
        try:
            answer = super().invoke(ctx)
        except Refused as error:
            _refused(ctx, by, str(error))
            raise
        if by and ":" not in by:
            _acted(ctx, by)
        return answer


class ActingGroup(click.Group):
    """A group whose commands are all :class:`Acting`."""

    command_class = Acting


def _refused(ctx: click.Context, by: str, why: str) -> None:
    from django.db import DatabaseError  # not before a command needs the database: others do without

    from tipstaff.audit.services import refused

    detail = {"method": "shell", "path": _words(ctx), "shell": shell()}
    with suppress(DatabaseError):  # what is told to the person matters more
        refused(by=by or shell(), subject=_subject(ctx), why=why, now=clock.now(), **detail)


def _acted(ctx: click.Context, by: str) -> None:
    from tipstaff.audit.services import record

    record(by=shell(), action="shell.act", subject=_subject(ctx), now=clock.now(), path=_words(ctx), acted_as=by)


def _words(ctx: click.Context) -> str:
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(["tipstaff", *reversed(names)])


def _subject(ctx: click.Context) -> str:
    group = ctx.parent.info_name or "" if ctx.parent is not None else ""
    kind = "work_order" if (group, ctx.info_name) == ("enforce", "done") else ABOUT.get(group, "")
    number = ctx.params.get("number")
    return f"{kind}:{number}" if kind and isinstance(number, int) else f"command:{_words(ctx)}"
