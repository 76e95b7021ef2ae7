"""Reading a NetBox's REST API page by page. The token is sent to that NetBox only."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from tipstaff.accounts.importing.netbox import ENDPOINTS, Record
from tipstaff.kernel.errors import InputError, Problem

PAGE = 500  # NetBox's MAX_PAGE_SIZE (1000 by default) may make pages smaller; the answer says where to go on
MOST_PAGES = 20_000
TRIES = 4
LONGEST_WAIT = 60.0  # seconds, whatever the server asks for
PASSING = {429, 500, 502, 503, 504}


class NetBox:
    """One NetBox. ``url`` is where its web interface is; raises InputError with what to do about it."""

    def __init__(self, url: str, token: str, *, verify: bool = True, wait: float = 1.0) -> None:
        base = httpx.URL(url)
        if base.scheme not in {"http", "https"} or not base.host:
            raise InputError(Problem(url, "is no web address", "give it like https://netbox.example.net"))
        self.began: datetime | None = None  # when NetBox gave the first page, by its own clock
        self.base, self.wait = str(base).rstrip("/").removesuffix("/api"), wait
        # Tokens of NetBox 4.5 and later carry their kind and are sent as Bearer (v2); older ones as Token.
        kind = "Bearer" if token.startswith("nbt_") else "Token"
        headers = {"Authorization": f"{kind} {token}", "Accept": "application/json"}
        self.client = httpx.Client(headers=headers, timeout=60, verify=verify, follow_redirects=False)

    def __enter__(self) -> "NetBox":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def everything(self) -> dict[str, list[Record]]:
        """All records of every endpoint that the import reads."""
        return {endpoint: list(self.records(endpoint)) for endpoint in ENDPOINTS}

    def records(self, endpoint: str) -> Iterator[Record]:
        """All records of one endpoint, each once. Pages are counted from the beginning, so a record that is removed while they are
        read pushes another one off their edge: what does not come out at the count that NetBox tells is read again. So is what has
        a record that was made meanwhile: together with one that was removed it would leave the count as it was."""
        address = f"{self.base}/api/{endpoint}/"
        for _ in range(TRIES):
            self.began = None
            records, counts = self._all_pages(address)
            whole = len({str(_number_of(record)) for record in records}) == len(records)
            if whole and counts in ({None}, {len(records)}) and not any(_is_made_since(record, self.began) for record in records):
                yield from records
                return
        problem = f"some of its {len(records)} records come twice, or it changes while it is read"
        raise InputError(Problem(address, problem, "import again when fewer people work on it; nothing was changed"))

    def _all_pages(self, address: str) -> tuple[list[Record], set[Any]]:
        """The records, and how many there are, as each page tells it. Only the query of ``next`` is used: behind a proxy its
        host is often a wrong one."""
        query, seen, records, counts = f"limit={PAGE}", set[str](), list[Record](), set[Any]()
        while query not in seen and len(seen) < MOST_PAGES:
            seen.add(query)
            page = self._page(f"{address}?{query}")
            records += page["results"]
            counts.add(page["count"] if isinstance(page.get("count"), int) else None)
            if not page.get("next"):
                return records, counts
            try:
                query = httpx.URL(str(page["next"])).query.decode()
            except (httpx.InvalidURL, UnicodeDecodeError):
                raise InputError(Problem(address, "names no page that can be asked for", "ask NetBox's administrator")) from None
        raise InputError(Problem(address, "the pages lead round in a circle", "ask NetBox's administrator"))

    def _page(self, address: str) -> dict[str, Any]:
        answer = self._get(address)
        try:
            page = answer.json()
        except ValueError:
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("results"), list):
            raise InputError(Problem(address, "does not answer like NetBox's REST API", "check the address"))
        return page

    def _get(self, address: str) -> httpx.Response:
        for left in reversed(range(TRIES)):
            pause = 0.0
            try:
                answer = self.client.get(address)
            except httpx.HTTPError as error:
                problem = Problem(address, f"cannot be reached: {error}", "check address, certificate and firewall")
            else:
                if answer.status_code == 200:
                    self.began = self.began or _date_of(answer)
                    return answer
                problem = _refusal(address, answer)
                if answer.status_code not in PASSING:
                    raise InputError(problem)
                pause = _asked_to_wait(answer)
            if left:
                time.sleep(max(self.wait * (TRIES - left), min(pause, LONGEST_WAIT) if self.wait else 0))
        raise InputError(problem)


def _number_of(record: Any) -> Any:
    return record.get("id", id(record)) if isinstance(record, dict) else id(record)


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("Date", "")).astimezone(UTC)
    except (ValueError, TypeError):
        return None


def _is_made_since(record: Any, moment: datetime | None) -> bool:
    """Whether the record says that it was made after ``moment``; a day alone (before NetBox 3.2) says too little."""
    stated = str(record.get("created") or "") if isinstance(record, dict) else ""
    if moment is None or len(stated) <= len("2026-06-15"):
        return False
    try:
        made = datetime.fromisoformat(stated)
    except ValueError:
        return False
    return made.tzinfo is not None and made > moment + timedelta(seconds=1)  # the header knows seconds


def _asked_to_wait(answer: httpx.Response) -> float:
    """Seconds of ``Retry-After`` (RFC 9110 section 10.2.3), which proxies before a NetBox send; a date there asks for nothing."""
    stated = answer.headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0


def _refusal(address: str, answer: httpx.Response) -> Problem:
    advice = {
        401: "the token is missing, wrong or expired",
        403: "the token is wrong, or its user may not view these objects",
        404: "check the address: it is where NetBox's web interface is, without /api",
    }.get(answer.status_code, "try again later")
    if answer.is_redirect:
        advice = f"it points to {answer.headers.get('location', 'nowhere')}: give that address instead"
    return Problem(address, f"NetBox answers {answer.status_code} {answer.reason_phrase}", advice)
