"""What ``tipstaff status`` says of the ways in: mailboxes, feeds, folders and listeners, and how each of them does."""

from typing import Any

import psycopg

from tipstaff.kernel.clock import now
from tipstaff.project import connections, database

PATIENCE = 5  # seconds that a database may take to answer
Line = dict[str, Any]


def ways_in() -> tuple[list[Line], str]:
    """A line for each source, and why there are none: '' where the database answered."""
    try:
        with psycopg.connect(connections.app_url(), connect_timeout=PATIENCE, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('intake_source')").fetchone() == (None,):
                return [], "the database has no tables yet"
    except psycopg.Error as error:
        return [], f"the database does not answer: {str(error).strip().splitlines()[0]}"
    database.setup_django()
    return lines(), ""


def lines() -> list[Line]:
    """The sources by name: a mailbox says on which server it is and which folders are read."""
    from tipstaff.intake import queries

    moment = now()
    found = queries.health(now=moment, midnight=moment.replace(hour=0, minute=0, second=0, microsecond=0))
    return [_line(one) for one in found]


def _line(one: Any) -> Line:
    source = one.source
    last = source.last_received_at
    return {
        "name": source.name, "kind": source.kind, "health": one.word, "today": one.today, "where": _where(source),
        "last_received_at": last.isoformat() if last else None,
        "trouble": source.last_error if one.word == "failing" else one.owed,
    }  # fmt: skip


def _where(source: Any) -> str:
    settings = source.settings
    if source.kind == "imap":
        return f"{', '.join(settings.get('mailboxes', ['INBOX']))} of {settings.get('user', '')} at {settings.get('host', '')}"
    return str(settings.get("folder") or settings.get("url", "").partition("?")[0])


def told(line: Line) -> str:
    """The line as a person reads it."""
    last = f"last {line['last_received_at'][:16].replace('T', ' ')} UTC" if line["last_received_at"] else "nothing yet"
    words = f"{line['name']:<10} {line['kind']:<10} {line['health']:<12} {line['today']} today, {last}"
    more = "".join(f"\n{'':<22}{one}" for one in (line["where"], line["trouble"]) if one)
    return words + more
