"""Setting up a second factor, asking for it, and what the database keeps of it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tipstaff.accounts import second_factor, totp
from tipstaff.accounts.models import OneTimeCodes, RecoveryCode, StaffMember
from tipstaff.audit.models import Entry
from tipstaff.kernel.errors import InputError, Refused

NOW = datetime(2026, 6, 15, 8, 0, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def alice(db) -> StaffMember:
    return StaffMember.objects.create(username="alice", roles=["analyst"])


def enrolled(staff: StaffMember) -> tuple[bytes, list[str]]:
    secret = second_factor.begin(staff=staff, now=NOW)
    return secret, second_factor.confirm(staff=staff, code=totp.code_of(secret, totp.step_at(NOW)), now=NOW)


def code(secret: bytes, at: datetime = LATER) -> str:
    return totp.code_of(secret, totp.step_at(at))


def test_it_counts_only_once_a_first_code_was_right(alice) -> None:
    secret = second_factor.begin(staff=alice, now=NOW)
    assert not second_factor.has_one(alice)
    with pytest.raises(InputError, match="not the one your app shows"):
        second_factor.confirm(staff=alice, code="000000", now=NOW)
    assert second_factor.check(staff=alice, given=code(secret), now=LATER) is None
    assert len(second_factor.confirm(staff=alice, code=f" {code(secret, NOW)[:3]} {code(secret, NOW)[3:]}", now=NOW)) == 10
    assert second_factor.has_one(alice)
    with pytest.raises(Refused, match="already"):
        second_factor.begin(staff=alice, now=NOW)


def test_a_code_is_good_once(alice) -> None:
    secret, _ = enrolled(alice)
    assert second_factor.check(staff=alice, given=code(secret, NOW), now=NOW) is None  # it was used to switch it on
    assert second_factor.check(staff=alice, given=code(secret), now=LATER) == "code"
    assert second_factor.check(staff=alice, given=code(secret), now=LATER) is None
    assert second_factor.check(staff=alice, given=code(secret, LATER - timedelta(seconds=30)), now=LATER) is None


@pytest.mark.django_db(transaction=True)
def test_of_two_tries_at_once_one_gets_in() -> None:
    staff = StaffMember.objects.create(username="alice", roles=["analyst"])
    secret, _ = enrolled(staff)
    said, gate = [], threading.Barrier(6)

    def tries() -> None:
        gate.wait()
        said.append(second_factor.check(staff=staff, given=code(secret), now=LATER))
        connection.close()

    threads = [threading.Thread(target=tries) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, said)) == ["None"] * 5 + ["code"]


def test_a_recovery_code_is_good_once_however_it_is_typed(alice) -> None:
    _, codes = enrolled(alice)
    assert len(set(codes)) == 10 and all(len(one) == 19 for one in codes)
    assert second_factor.check(staff=alice, given=f" {codes[3].upper().replace('-', ' ')} ", now=LATER) == "recovery code"
    assert second_factor.check(staff=alice, given=codes[3], now=LATER) is None
    assert second_factor.check(staff=alice, given=codes[4], now=LATER) == "recovery code"
    fresh = second_factor.renew_recovery_codes(staff=alice, now=LATER)
    assert second_factor.check(staff=alice, given=codes[5], now=LATER) is None
    assert second_factor.check(staff=alice, given=fresh[0], now=LATER) == "recovery code"


def test_one_persons_codes_are_not_anothers(alice) -> None:
    secret, codes = enrolled(alice)
    bob = StaffMember.objects.create(username="bob", roles=["lead"])
    enrolled(bob)
    assert second_factor.check(staff=bob, given=codes[0], now=LATER) is None
    assert second_factor.check(staff=bob, given=code(secret), now=LATER) is None


def test_neither_database_nor_record_holds_a_secret(alice) -> None:
    secret, codes = enrolled(alice)
    kept = bytes(OneTimeCodes.objects.get().secret)
    assert secret not in kept and len(kept) == 12 + len(secret) + 16
    digests = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert not digests & {one.replace("-", "") for one in codes} and not digests & set(codes)
    recorded = str(list(Entry.objects.values()))
    assert not [one for one in [*codes, secret.hex(), totp.as_text(secret)] if one in recorded]


def test_under_another_key_it_does_not_open(alice, settings) -> None:
    secret, _ = enrolled(alice)
    settings.SECRET_KEY = "another"
    with pytest.raises(Refused, match="another secret key"):
        second_factor.check(staff=alice, given=code(secret), now=LATER)


def test_a_secret_moved_to_anothers_row_does_not_open(alice) -> None:
    secret, _ = enrolled(alice)
    bob = StaffMember.objects.create(username="bob", roles=["lead"])
    OneTimeCodes.objects.update(staff=bob)
    with pytest.raises(Refused):
        second_factor.check(staff=bob, given=code(secret), now=LATER)


@pytest.mark.parametrize(("roles", "asked"), [(["all"], True), (["lead", "analyst"], True), (["lead"], False), ([], False)])
def test_whose_roles_need_one(alice, roles, asked) -> None:
    assert second_factor.required_of(alice, roles) is asked


def test_the_grace_begins_when_it_is_first_asked_for(alice) -> None:
    asked = {"roles": ["all"], "grace": timedelta(days=14)}
    assert second_factor.due(alice, now=NOW, **asked) == NOW + timedelta(days=14)
    assert second_factor.due(alice, now=NOW + timedelta(days=20), **asked) == NOW + timedelta(days=14)
    enrolled(alice)
    assert second_factor.due(alice, now=NOW, **asked) is None


def test_taking_it_away_is_on_the_record(alice) -> None:
    enrolled(alice)
    second_factor.reset(staff=alice, by="cli:root", now=LATER)
    assert not second_factor.has_one(alice) and not RecoveryCode.objects.exists()
    actions = set(Entry.objects.values_list("action", flat=True))
    assert actions == {"second_factor.add", "second_factor.recovery_codes", "second_factor.remove", "second_factor.reset"}
