"""Which PostgreSQL to talk to, as which role: a URL, and the same as Django and libpq want it.

The application connects as ``tipstaff_app``; ``tipstaff_owner`` owns the tables and only migrates.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.project import environment

OWNER = "tipstaff_owner"
APP = "tipstaff_app"
ADMINISTRATOR = "postgres"  # the embedded cluster's own superuser: creates roles, takes no part in the application
DATABASE = "tipstaff"
RECORD = "postgres.json"  # in the state directory: major version and socket directory of the embedded database


def embedded_url(state: Path, role: str, database: str = DATABASE) -> str:
    """The embedded database's URL, from the record its last start left in ``state``."""
    record = state / RECORD
    socket = json.loads(record.read_text())["socket"] if record.exists() else str(state / "run")
    return url(user=role, database=database, host=socket)


def url(*, user: str, database: str, host: str, port: int | None = None, password: str = "") -> str:
    """A libpq URL; a ``host`` that begins with a slash is a socket directory."""
    who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    where = {"host": host} | ({"port": str(port)} if port else {})
    return f"postgresql://{who}@/{quote(database, safe='')}?{urlencode(where, quote_via=quote, safe='/')}"


def is_external() -> bool:
    """Whether the operator named a PostgreSQL of their own."""
    return bool(environment.get("database_url"))


def current_url() -> str:
    """The URL for this program's role (``TIPSTAFF_DATABASE_ROLE``: app or owner)."""
    return owner_url() if environment.get("database_role") == "owner" else app_url()


def app_url() -> str:
    return environment.get("database_url") or embedded_url(environment.state_directory(), APP)


def owner_url() -> str:
    """The owner's URL. An external database without one is migrated by the application's role, which doctor reports."""
    if named := environment.get("database_owner_url"):
        return named
    return environment.get("database_url") or embedded_url(environment.state_directory(), OWNER)


def parts(address: str) -> dict[str, Any]:
    """A URL taken apart: user, password, host, port, database, and the remaining libpq parameters in options."""
    split = urlsplit(address)
    if split.scheme not in {"postgres", "postgresql"}:
        raise InputError(Problem("DATABASE_URL", "is not a PostgreSQL URL", "postgresql://role@host:5432/database"))
    options = dict(parse_qsl(split.query))
    host = options.pop("host", "") or unquote(split.hostname or "")
    port = options.pop("port", "") or (str(split.port) if split.port else "")
    return {
        "user": unquote(split.username or options.pop("user", "")),
        "password": unquote(split.password or options.pop("password", "")),
        "host": host,
        "port": port,
        "database": unquote(split.path.removeprefix("/")) or DATABASE,
        "options": options,
    }


def with_changes(address: str, **changes: str) -> str:
    """The same URL with another user, database or password."""
    found = parts(address)
    options = found.pop("options")
    found |= changes
    base = url(**{**found, "port": int(found["port"]) if found["port"] else None})
    return base + (f"&{urlencode(options)}" if options else "")


def django_settings(address: str) -> dict[str, Any]:
    """A DATABASES entry: persistent connections that are checked before a request uses them."""
    found = parts(address)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": found["database"],
        "USER": found["user"],
        "PASSWORD": found["password"],
        "HOST": found["host"],
        "PORT": found["port"],
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "tipstaff", **found["options"]},
    }
