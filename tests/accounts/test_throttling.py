"""Guessing is slowed, for an account and for a network, and nobody can lock the real person out."""

from datetime import UTC, datetime, timedelta

import pytest

from tipstaff.accounts import throttling
from tipstaff.accounts.models import SignInTry
from tipstaff.accounts.throttling import Attempt, failed, must_wait, network_of, succeeded

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)
MALLORY, HOME = "198.51.100.66", "192.0.2.7"


def stranger(account: str = "alice", network: str = MALLORY) -> Attempt:
    return Attempt("password", account, network)


def fails(attempt: Attempt, times: int, now: datetime = NOW) -> None:
    for _ in range(times):
        failed(attempt, now)


def test_after_five_from_one_network_for_one_account_it_waits() -> None:
    fails(stranger(), 4)
    assert not must_wait(stranger(), NOW)
    fails(stranger(), 1)
    assert must_wait(stranger(), NOW) and must_wait(stranger("ALICE"), NOW)
    assert not must_wait(stranger("bob"), NOW)
    assert not must_wait(stranger(), NOW + throttling.WINDOW)


def test_a_network_that_tries_many_accounts_waits() -> None:
    for number in range(30):
        assert not must_wait(stranger(f"a{number}"), NOW)
        fails(stranger(f"a{number}"), 1)
    assert must_wait(stranger("anybody"), NOW)
    assert not must_wait(stranger("anybody", HOME), NOW)


def test_many_networks_that_try_one_account_wait() -> None:
    for number in range(50):
        fails(stranger(network=f"198.51.100.{number}"), 1)
    assert must_wait(stranger(network="203.0.113.5"), NOW)


def test_the_real_person_gets_in_from_a_known_device_whatever_strangers_do() -> None:
    for number in range(60):
        fails(stranger(network=f"198.51.100.{number}"), 5)
    fails(stranger(network=HOME), 20)  # even from the same office
    alice = Attempt("password", "alice", HOME, device="d1")
    assert not must_wait(alice, NOW)
    fails(alice, 10)
    assert must_wait(alice, NOW)  # but a stolen device does not guess for ever


def test_who_was_right_begins_anew_and_frees_nobody_else() -> None:
    fails(stranger(), 4)
    succeeded(stranger())
    fails(stranger(), 4)
    assert not must_wait(stranger(), NOW)
    assert SignInTry.objects.filter(subject__in=dict(stranger().limits())).count() == 4 + 8 + 8


def test_codes_and_passwords_are_counted_apart() -> None:
    fails(stranger(), 5)
    assert not must_wait(Attempt("code", "alice", MALLORY), NOW)


def test_old_tries_go_and_what_is_kept_names_nobody() -> None:
    fails(stranger(), 1, NOW - timedelta(days=2))
    fails(stranger("bob"), 1)
    assert SignInTry.objects.filter(at__lt=NOW).count() == 0
    kept = str(list(SignInTry.objects.values()))
    assert "alice" not in kept and "bob" not in kept and MALLORY not in kept


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::ffff:192.0.2.7", "192.0.2.7"), ("", "unknown"),
     ("nonsense", "unknown")],
)  # fmt: skip
def test_where_somebody_comes_from(address, network) -> None:
    assert network_of(address) == network
