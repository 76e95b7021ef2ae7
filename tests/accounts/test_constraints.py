"""What the database itself refuses."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from psycopg.types.range import Int4Range, TimestamptzRange

from tests.accounts.given import NOW, day
from tipstaff.accounts.models import Assignment, Customer, Service

pytestmark = pytest.mark.django_db


@pytest.fixture
def services():
    carol = Customer.objects.create(name="Carol", created_at=NOW)
    dave = Customer.objects.create(name="Dave", created_at=NOW)
    return [Service.objects.create(customer=owner, name=owner.name) for owner in (carol, dave)]


def hold(service, prefix="192.0.2.0/24", start="2026-01-01", end=None, ports=(0, 65536), **more):
    period = TimestamptzRange(day(start), day(end))
    return Assignment.objects.create(
        service=service, prefix=prefix, period=period, ports=Int4Range(*ports), recorded_at=NOW, **more
    )


def refused(*arguments, **more) -> bool:
    """Whether the database refuses it, by the constraint of the one holder and by nothing else."""
    try:
        with transaction.atomic():
            hold(*arguments, **more)
    except IntegrityError as error:
        return "assignment_one_holder" in str(error)
    return False


def test_one_prefix_has_one_holder_at_a_time(services):
    carol, dave = services
    hold(carol, end="2026-03-01")
    assert refused(dave, start="2026-02-28", end="2026-04-01")
    assert refused(dave, start=None, end=None)
    hold(dave, start="2026-03-01")  # [from, to): the end of one is the beginning of the next


def test_nested_prefixes_are_different_prefixes(services):
    carol, dave = services
    hold(carol)
    hold(dave, "192.0.2.128/25")
    hold(dave, "192.0.2.129/32")
    assert Assignment.objects.count() == 3


def test_port_shares_may_stand_side_by_side_but_not_overlap(services):
    carol, dave = services
    hold(carol, ports=(1024, 2048))
    hold(dave, ports=(2048, 4096))
    assert refused(dave, ports=(2047, 2048))
    assert refused(dave)


def test_shared_holders_are_compatible_with_each_other_only(services):
    carol, dave = services
    hold(carol, shared=True)
    hold(dave, shared=True)
    assert refused(carol, start="2026-02-01", shared=True)  # the same service twice
    assert refused(dave)  # one alone beside those who share


def test_an_exclusive_holder_refuses_a_sharing_one(services):
    carol, dave = services
    hold(carol)
    assert refused(dave, shared=True)


def test_superseded_rows_contradict_nobody(services):
    carol, dave = services
    hold(carol, superseded_at=NOW)
    hold(dave)
    assert Assignment.objects.count() == 2


def test_a_prefix_with_host_bits_is_refused(services):
    with pytest.raises(ValidationError, match="host bits"):
        hold(services[0], "192.0.2.1/24")


def test_ipv6_prefixes_are_held_as_well(services):
    carol, dave = services
    hold(carol, "2001:db8::/48")
    assert refused(dave, "2001:db8::/48")
    hold(dave, "2001:db8::/49")
