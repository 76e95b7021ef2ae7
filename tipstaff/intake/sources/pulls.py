"""Feeds fetched on a schedule: one GET, an honest cursor, a cap on the size, and a longer pause after each failure."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from django.db import DatabaseError

from tipstaff.intake.models import Source
from tipstaff.intake.parsers import prometheus
from tipstaff.intake.sources import guarded, services
from tipstaff.intake.sources.credentials import credential
from tipstaff.intake.spool import Accepted, Spool, accepted
from tipstaff.kernel.errors import InputError, Problem, TipstaffError

log = logging.getLogger(__name__)
KIND = "pull"
EVERY = timedelta(hours=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
MAX_BYTES = 256_000_000
MAX_REDIRECTS = 3
OVERLAP = timedelta(minutes=10)  # asked for again, so that a slow server's late rows are not missed; events are deduplicated
ADVICE = "look at its settings with `tipstaff source list --json`, then try it with `tipstaff source test`"


@dataclass(frozen=True)
class Fetched:
    """An answer: its bytes and name, or neither where nothing is new; and the cursor for the next time."""

    cursor: dict[str, Any]
    content: bytes | None = None
    filename: str = ""


class PullFailed(TipstaffError):
    """A pull that may succeed later. ``retry_after`` is what the server asked for, in seconds."""

    def __init__(self, text: str, retry_after: float = 0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


def fetch(*, name: str, settings: Mapping[str, Any], cursor: Mapping[str, Any], now: datetime) -> Fetched:
    """Ask once. Raises PullFailed, InputError (settings) or Refused (a target inside our network)."""
    with guarded.client(allow_private=bool(settings.get("allow_private")), timeout=float(settings.get("timeout", 60))) as client:
        try:
            return _ask(client, name, settings, cursor, now)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PullFailed(f"{settings['url']}: {type(error).__name__}: {error}") from error


def _ask(client: httpx.Client, name: str, settings: Mapping[str, Any], cursor: Mapping[str, Any], now: datetime) -> Fetched:
    secret = _secret_headers(name, settings)
    headers = dict(settings.get("headers", {})) | _conditions(cursor)
    url, first = _url(settings, cursor), ""
    for _ in range(MAX_REDIRECTS + 1):
        own = urlsplit(url).netloc == (first or urlsplit(url).netloc)
        first = first or urlsplit(url).netloc
        _check_scheme(name, url, settings)
        with client.stream("GET", url, headers=headers | (secret if own else {})) as answer:
            if not answer.has_redirect_location:
                return _answer(answer, settings, cursor, now)
            url = str(answer.url.join(answer.headers["location"]))
    raise PullFailed(f"{settings['url']} redirects more than {MAX_REDIRECTS} times")


def _secret_headers(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Header → value from the environment; never sent to another host than the one in the settings."""
    found = {}
    for header, entry in settings.get("secret_headers", {}).items():
        scheme, _, variable = entry.rpartition(" ")
        value = credential(variable, where=f"source {name}: secret_headers.{header}")
        found[header] = f"{scheme} {value}".strip()
    return found


def _conditions(cursor: Mapping[str, Any]) -> dict[str, str]:
    known = {"If-None-Match": cursor.get("etag"), "If-Modified-Since": cursor.get("last_modified")}
    return {name: value for name, value in known.items() if value}


def _url(settings: Mapping[str, Any], cursor: Mapping[str, Any]) -> str:
    url = httpx.URL(settings["url"])
    if settings.get("since_parameter") and cursor.get("since"):
        since = datetime.fromisoformat(cursor["since"]) - OVERLAP
        written = since.astimezone(UTC).strftime(settings.get("since_format", "%Y-%m-%dT%H:%M:%SZ"))
        url = url.copy_merge_params({settings["since_parameter"]: written})
    return str(url)


def _check_scheme(name: str, url: str, settings: Mapping[str, Any]) -> None:
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and settings.get("allow_http")):
        advice = "use an https address; allow_http in the settings permits plain HTTP inside your own network"
        raise InputError(Problem(f"source {name}: url", f"{url[:200]!r} is not https", advice))


def _answer(answer: httpx.Response, settings: Mapping[str, Any], cursor: Mapping[str, Any], now: datetime) -> Fetched:
    position = dict(cursor) | {"failures": 0, "since": now.isoformat()}
    if answer.status_code in (204, 304):
        return Fetched(position)
    if answer.status_code != 200:
        wait = answer.headers.get("retry-after", "")
        raise PullFailed(f"{answer.url} answered {answer.status_code}", float(wait) if wait.isdecimal() else 0)
    content = _body(answer, int(settings.get("max_bytes", MAX_BYTES)))
    digest = hashlib.sha256(content).hexdigest()
    position |= {
        "etag": answer.headers.get("etag", ""),
        "last_modified": answer.headers.get("last-modified", ""),
        "digest": digest,
    }
    if not content or digest == cursor.get("digest") or prometheus.is_quiet(content):
        return Fetched(position)
    position["deliveries"] = int(cursor.get("deliveries", 0)) + 1
    return Fetched(position, content, _filename(answer, settings))


def _body(answer: httpx.Response, most: int) -> bytes:
    content = bytearray()
    for block in answer.iter_bytes():
        content += block
        if len(content) > most:
            raise PullFailed(
                f"{answer.url} sends more than {most} bytes; raise max_bytes in the source's settings if that is right"
            )
    stated = answer.headers.get("content-length", "")
    if stated.isdecimal() and "content-encoding" not in answer.headers and int(stated) != len(content):
        raise PullFailed(f"{answer.url} ended after {len(content)} of {stated} bytes")
    return bytes(content)


def _filename(answer: httpx.Response, settings: Mapping[str, Any]) -> str:
    """The name that says what the bytes are: from the settings, the server, or the address."""
    stated = answer.headers.get("content-disposition", "").partition("filename=")[2].partition(";")[0].strip().strip("\"'")
    name = settings.get("filename") or stated or unquote(PurePosixPath(answer.url.path).name)
    return PurePosixPath(str(name).replace("\\", "/")).name[:200]


def accept(fetched: Fetched, *, name: str, now: datetime) -> Accepted:
    """The submission: which delivery of this source it is, and its bytes, make its id; so a repeated pull adds nothing."""
    assert fetched.content is not None
    ref = f"{fetched.cursor['deliveries']}/{fetched.cursor['digest'][:32]}"
    return accepted(source=name, kind=KIND, content=fetched.content, now=now, ref=ref, filename=fetched.filename)


def pull(source: Source, spool: Spool, *, now: datetime) -> int:
    """One turn of a claimed source: how many submissions it brought. An error is noted at the source, with a longer pause."""
    cursor = dict(source.cursor)
    try:
        every = timedelta(seconds=float(source.settings.get("every", EVERY.total_seconds())))
        fetched = fetch(name=source.name, settings=source.settings, cursor=cursor, now=now)
        if fetched.content is not None:
            spool.put([accept(fetched, name=source.name, now=now)])
    except DatabaseError:
        raise
    except Exception as error:  # whatever is wrong with one source, the others are asked
        failures = int(cursor.get("failures", 0)) + 1
        asked = timedelta(seconds=getattr(error, "retry_after", 0))
        due = now + max(pause_after(failures), min(asked, LONGEST_PAUSE))
        services.pulled(
            source=source, cursor=cursor | {"failures": failures}, due_at=due, now=now, error=f"{_told(error)} ({ADVICE})"
        )
        return 0
    services.pulled(source=source, cursor=fetched.cursor, due_at=now + every, now=now)
    return int(fetched.content is not None)


def _told(error: Exception) -> str:
    if isinstance(error, TipstaffError):
        return str(error)
    if isinstance(error, OSError):
        return f"the spool cannot be written: {error}"
    log.error("a pull failed", exc_info=error)
    return f"its settings cannot be used: {type(error).__name__}: {error}"


def pause_after(failures: int) -> timedelta:
    """30 s after the first failure, twice as long after each further one, six hours at most."""
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)


def pull_due(spool: Spool, *, now: datetime) -> tuple[str, int] | None:
    """Pull the source that is due longest: its name and how many submissions came. None where nothing is due."""
    source = services.claim_due(kind=KIND, setting="url", now=now)
    return None if source is None else (source.name, pull(source, spool, now=now))
