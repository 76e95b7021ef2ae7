"""The kinds of sources an operator can add, and what the settings of each must say. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tipstaff.intake.reading.feeds.mapping import read_mapping
from tipstaff.intake.sources.credentials import wrong_name
from tipstaff.kernel.errors import InputError, Problem

ANY = ("trusted_authserv", "own_domains", "own_addresses", "zone", "mapping", "note")  # hints to the reading, whatever the kind


@dataclass(frozen=True)
class Kind:
    """Names of the settings: needed ones and others; credentials are names of environment variables."""

    name: str
    meaning: str
    needed: tuple[str, ...]
    others: tuple[str, ...]
    credentials: tuple[str, ...] = ()
    check: Callable[[str, Mapping[str, Any]], list[Problem]] = lambda where, settings: []


def _check_imap(where: str, settings: Mapping[str, Any]) -> list[Problem]:
    problems = []
    if bool(settings.get("password")) == bool(settings.get("oauth2")):
        advice = "name the variable with the password in `password`, or give `oauth2`"
        problems.append(Problem(f"{where}: password", "needs a password or OAuth2, one of them", advice))
    if (tls := settings.get("tls", "tls")) not in ("tls", "starttls", "none"):
        problems.append(Problem(f"{where}: tls", f"{tls!r} is not known", "use tls, starttls or none"))
    mailboxes = settings.get("mailboxes", ["INBOX"])
    if not isinstance(mailboxes, list) or not mailboxes or settings.get("move_to") in mailboxes:
        problems.append(
            Problem(f"{where}: mailboxes", "is not a list of mailboxes to read", 'write ["INBOX"]; move_to is another one')
        )
    oauth = settings.get("oauth2")
    if oauth is not None and not ("token" in oauth or {"token_url", "refresh_token"} <= oauth.keys()):
        advice = "give `token`, or `token_url`, `client_id` and `refresh_token`"
        problems.append(Problem(f"{where}: oauth2", "cannot obtain a token", advice))
    for name in ("token", "refresh_token", "client_secret"):
        if isinstance(oauth, dict) and name in oauth and (problem := wrong_name(oauth[name], where=f"{where}: oauth2.{name}")):
            problems.append(problem)
    return problems


def _check_pull(where: str, settings: Mapping[str, Any]) -> list[Problem]:
    problems = []
    split = urlsplit(str(settings.get("url", "")))
    if split.scheme not in ("https", *(["http"] if settings.get("allow_http") else [])) or not split.hostname:
        problems.append(Problem(f"{where}: url", f"{settings.get('url')!r} is no https address", "write https://host/path"))
    if split.username or split.password:
        problems.append(Problem(f"{where}: url", "holds a password", "use secret_headers, which names an environment variable"))
    for header, entry in settings.get("secret_headers", {}).items():
        if problem := wrong_name(entry.rpartition(" ")[2], where=f"{where}: secret_headers.{header}"):
            problems.append(problem)
    every = settings.get("every", 3600)
    if not isinstance(every, int | float) or every < 60:
        problems.append(Problem(f"{where}: every", f"{every!r} is not a number of seconds from 60 on", "write 3600 for hourly"))
    return problems


def _check_folder(where: str, settings: Mapping[str, Any]) -> list[Problem]:
    if str(settings.get("folder", "")).startswith("/"):
        return []
    return [Problem(f"{where}: folder", f"{settings.get('folder')!r} is no absolute path", "write the whole path, from / on")]


KINDS = (
    Kind(
        "imap",
        "a mailbox on a server",
        ("host", "user"),
        ("port", "tls", "ca_file", "password", "oauth2", "mailboxes", "move_to", "first", "poll_every", "idle", "max_bytes"),
        ("password",),
        _check_imap,
    ),
    Kind(
        "pull",
        "a feed fetched over HTTPS",
        ("url",),
        (
            "every",
            "headers",
            "secret_headers",
            "since_parameter",
            "since_format",
            "max_bytes",
            "allow_private",
            "allow_http",
            "filename",
            "timeout",
        ),
        (),
        _check_pull,
    ),
    Kind("files", "a folder that files are dropped into", ("folder",), ("settle",), (), _check_folder),
)
FED = ("smtp", "lmtp", "api", "form", "sensor")  # made by what arrives; they take the hints only
BY_NAME = {kind.name: kind for kind in KINDS}


def _wrong_mapping(where: str, stated: Any) -> list[Problem]:
    if stated is None:
        return []
    if not isinstance(stated, str):
        return [Problem(f"{where}: mapping", "is not a text of TOML", "give it as a file: --mapping FILE")]
    try:
        read_mapping(stated, f"{where}: mapping")
    except InputError as error:
        return error.problems
    return []


def check(*, name: str, kind: str, settings: Mapping[str, Any], by_hand: bool = False) -> None:
    """Raise InputError naming each setting that is missing, unknown or wrong.

    ``by_hand``: it is there without a folder, and files come to it by `tipstaff receive`.
    """
    where = f"source {name}"
    known = BY_NAME.get(kind) or (Kind(kind, "", (), ()) if kind in FED else None)
    if known is None:
        raise InputError(Problem(where, f"{kind!r} is no kind of source", f"use one of {', '.join(BY_NAME)}"))
    if kind == "files" and "folder" not in settings and (settings or by_hand) and settings.keys() <= {*ANY}:
        known = Kind(kind, "", (), ())  # what `tipstaff receive` takes is filed under such a source
    problems = [
        Problem(f"{where}: {one}", "is missing", f"give {', '.join(known.needed)}") for one in known.needed if not settings.get(one)
    ]
    allowed = {*known.needed, *known.others, *ANY}
    problems += [
        Problem(f"{where}: {one}", "is no setting of this kind", f"known are {', '.join(sorted(allowed))}")
        for one in settings
        if one not in allowed
    ]
    for one in ("trusted_authserv", "own_domains", "own_addresses"):
        if not isinstance(settings.get(one, []), list):
            problems.append(Problem(f"{where}: {one}", "is not a list", f'write {one}=["example.net"]'))
    for one in known.credentials:
        if settings.get(one) and (problem := wrong_name(str(settings[one]), where=f"{where}: {one}")):
            problems.append(problem)
    problems += known.check(where, settings) + _wrong_mapping(where, settings.get("mapping"))
    if problems:
        raise InputError(problems)
