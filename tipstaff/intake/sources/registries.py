"""Asking the address registries over RDAP (RFC 7480), slowly: one question at a time, the bootstrap files once a day."""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from django.db import transaction

from tipstaff.attribution import elsewhere, registry
from tipstaff.attribution.models import RegistryQuestion
from tipstaff.attribution.registry import Network
from tipstaff.intake.sources import guarded
from tipstaff.kernel.errors import ParseError, TipstaffError

log = logging.getLogger(__name__)
BOOTSTRAP = "https://data.iana.org/rdap/"
MAX_BYTES = 4_000_000
MAX_REDIRECTS = 4
BOOTSTRAP_LIFE = timedelta(hours=24)
ACCEPT = "application/rdap+json, application/json"


class RegistryFailed(TipstaffError):
    """No answer. ``retry`` says whether it is worth asking again."""

    def __init__(self, text: str, retry: bool = True) -> None:
        super().__init__(text)
        self.retry = retry


@dataclass
class Registries:
    """Asks on behalf of the waiting questions. ``bootstrap`` is where ipv4.json and ipv6.json are (RFC 9224)."""

    bootstrap: str = BOOTSTRAP
    allow_private: bool = False
    timeout: float = 20
    _known: list[tuple[Network, str]] = field(default_factory=list)
    _read_at: datetime | None = None

    def answer_next(self, *, now: datetime) -> str | None:
        """Ask about the question that is due; returns a line about what came of it, None where none waits."""
        with transaction.atomic():
            question = elsewhere.due(now=now)
            return self._answer(question, now) if question else None

    def _answer(self, question: RegistryQuestion, now: datetime) -> str:
        address = question.address
        try:
            server = self._server(address, now)
            found = registry.read(self._get(server + "ip/" + quote(address, safe=":.")), address)
        except RegistryFailed as error:
            elsewhere.failed(question=question, error=str(error), now=now, retry=error.retry)
            return f"{address}: {error}"
        except ParseError as error:
            elsewhere.failed(question=question, error=str(error), now=now, retry=False)
            return f"{address}: {error}"
        elsewhere.learn(address=address, answer=found, source=server, now=now)
        return f"{address}: {found.abuse_contact or 'no abuse contact'}"

    def _server(self, address: str, now: datetime) -> str:
        if self._read_at is None or now - self._read_at > BOOTSTRAP_LIFE:
            files = (self._get(self.bootstrap.rstrip("/") + f"/{name}.json") for name in ("ipv4", "ipv6"))
            self._known = [row for file in files for row in registry.servers(file)]
            self._read_at = now
        server = registry.server_of(address, self._known)
        if server is None:
            raise RegistryFailed(f"no registry is responsible for {address}", retry=False)
        return server

    def _get(self, url: str) -> Any:
        """The JSON at ``url``, over at most MAX_REDIRECTS redirects (registries send one another's addresses on)."""
        began = time.monotonic()
        with guarded.client(allow_private=self.allow_private, timeout=self.timeout) as client:
            try:
                for _ in range(MAX_REDIRECTS + 1):
                    if not url.startswith("https://") and not self.allow_private:
                        raise RegistryFailed(f"{url} is not https", retry=False)
                    with client.stream("GET", url, headers={"Accept": ACCEPT}) as answer:
                        if not answer.has_redirect_location:
                            return _json(answer, began + 2 * self.timeout)
                        url = str(answer.url.join(answer.headers["location"]))
            except (httpx.HTTPError, httpx.InvalidURL, TipstaffError) as error:
                if isinstance(error, RegistryFailed):
                    raise
                raise RegistryFailed(f"{url}: {type(error).__name__}: {error}") from error
        raise RegistryFailed(f"{url} redirects more than {MAX_REDIRECTS} times", retry=False)


def _json(answer: httpx.Response, until: float) -> Any:
    if answer.status_code == 404:
        raise RegistryFailed(f"{answer.url} knows no such network", retry=False)
    if answer.status_code != 200:
        raise RegistryFailed(
            f"{answer.url} answered {answer.status_code}", retry=answer.status_code in {408, 429} or answer.is_server_error
        )
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise RegistryFailed(f"{answer.url} answered with more than {MAX_BYTES} bytes", retry=False)
        if time.monotonic() > until:
            raise RegistryFailed(f"{answer.url} answers too slowly")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RegistryFailed(f"{answer.url} answered no JSON: {error}", retry=False) from None
