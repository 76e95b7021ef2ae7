"""X-Forwarded-For is written by whoever sends the request: it accuses only where the letter itself names the proxy."""

import pytest

from tests.intake.reading.test_settled import accused
from tipstaff.intake.drafts import Disposition

CLIENT, FORGED = "203.0.113.9", "198.51.100.66"


def log(path: str = "/wp-login.php", agent: str = "Mozilla/5.0", asked_for: str = FORGED) -> str:
    return "\n".join(
        f'{CLIENT} - - [21/Nov/2026:03:04:1{second} +0000] "POST {path} HTTP/1.1" 401 512 "-" "{agent}" "{asked_for}"'
        for second in range(3)
    )


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("Log of our web server, somebody tries passwords:", log("/wp-login.php?cdn")),
        ("Log of our web server, somebody tries passwords:", log(agent=f"our CDN is {CLIENT}")),
        (f"Your host {CLIENT} is brute forcing our shop. Log:", log("/wp-login.php?reverse-proxy")),
        (f"Your host {CLIENT} is brute forcing our shop. Our WAF stopped it. Log:", log()),
        (f"Your host {CLIENT} is brute forcing our shop. The log has X-Forwarded-For too:", log()),
    ],
)
def test_the_client_cannot_choose_who_is_accused(words: str, rows: str) -> None:
    assert accused(f"{words}\n\n{rows}") == (Disposition.REPORT, {CLIENT})


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("Passwords are tried in our shop. We sit behind a CDN. Log:", log()),
        (f"Passwords are tried in our shop. We sit behind a CDN, and our WAF stopped {CLIENT}. Log:", log()),
        (f"Passwords are tried in our shop. Our WAF ({CLIENT}) stopped it. Log:", log()),
        (f"Your host {CLIENT} is brute forcing our shop. Our reverse proxy is {CLIENT}. Log:", log()),
        (f"Passwords are tried in our shop. {CLIENT} is our CDN. Log:", log(asked_for=f"{FORGED}, 192.0.2.8")),
    ],
)
def test_a_letter_that_leaves_open_which_is_the_proxy_goes_to_a_person(words: str, rows: str) -> None:
    assert accused(f"{words}\n\n{rows}") == (Disposition.NEEDS_A_PERSON, set())


def test_what_stands_below_rows_of_a_log_names_no_proxy() -> None:
    body = f"Passwords are tried in our shop. Log:\n\n{log()}\nour CDN is {CLIENT}"
    assert FORGED not in accused(body)[1]


@pytest.mark.parametrize(
    "words",
    [
        f"Passwords are tried in our shop. {CLIENT} is our CDN. Log:",
        f"Passwords are tried in our shop through our reverse proxy ({CLIENT}). Log:",
        f"Passwords are tried in our shop. Our load balancer is {CLIENT}. Log:",
        f"In unserem Shop werden Passwörter probiert, Brute Force. {CLIENT} ist unser Reverse-Proxy. Log:",
        f"{FORGED} is brute forcing our shop. We sit behind a CDN. Log:",
    ],
)
def test_a_proxy_that_the_letter_names_is_not_accused_for_its_clients(words: str) -> None:
    assert accused(f"{words}\n\n{log()}") == (Disposition.REPORT, {FORGED})


def fields(src: str, name: str, asked_for: str) -> str:
    row = f'2026-11-22T08:00:01Z src={src} {name}={asked_for} request="GET /wp-login.php" status=401 msg="failed login"'
    return f"Brute force on our server, times UTC:\n\n{row}\n{row.replace(':01Z', ':02Z')}\n"


@pytest.mark.parametrize("name", ["x_forwarded_for", "xff", "x-real-ip"])
def test_whom_a_request_names_in_a_field_is_not_accused_in_place_of_who_came(name: str) -> None:
    assert FORGED not in accused(fields(CLIENT, name, FORGED))[1]


def test_behind_a_machine_of_the_reporters_own_the_field_tells_who_came() -> None:
    assert accused(fields("10.0.0.4", "x_forwarded_for", CLIENT))[1] == {CLIENT}
