"""What the edition says of a new case: whose edition speaks (service, customer, provider), and what belongs to a closed case."""

from datetime import timedelta

import pytest

from tests.pipeline.given import BEFORE, CAROL, DAVE, NOW, colleagues, deliver, event, feed, provider, report
from tipstaff.accounts.models import Customer, Service
from tipstaff.cases import services as cases
from tipstaff.cases.models import Case, CaseLink
from tipstaff.policy import loading, services

pytestmark = pytest.mark.django_db
PACKS = {"north": "managed-services", "south": "dedicated-hosting"}


@pytest.fixture
def brands():
    provider()
    for brand, pack in PACKS.items():
        stored = services.draft(
            edition=loading.load_packaged(pack), effective_from=BEFORE, by="system:test", now=BEFORE, brand=brand,
            intake_address=f"abuse@{brand}.example",
        )  # fmt: skip
        services.publish(stored=stored.pk, by="system:second", now=BEFORE)
    Customer.objects.filter(services__external_id="carol-1").update(brand="north")
    return Service.objects.filter(external_id="carol-1"), Service.objects.filter(external_id="dave-1")


def packs() -> dict[str, str]:
    """Customer's service by number → the pack of its case and the case's brand."""
    return {case.service.external_id: (case.edition.pack, case.brand) for case in Case.objects.select_related("service", "edition")}


@pytest.mark.parametrize("given", ["report", "feed"])
def test_a_services_own_brand_goes_before_its_customers(brands, given):
    carols, daves = brands
    daves.update(brand="south")
    if given == "report":
        deliver(report(event(CAROL), event(DAVE)))
    else:
        deliver(feed([CAROL, DAVE]))
    assert packs() == {"carol-1": ("managed-services", "north"), "dave-1": ("dedicated-hosting", "south")}
    Case.objects.update(accepting=False, state="RESOLVED", closed_at=NOW)
    carols.update(brand="south")
    deliver(report(event(CAROL, NOW + timedelta(hours=1)), by="rosa@example.org"), now=NOW + timedelta(days=40))
    assert Case.objects.latest("pk").brand == "south"


def test_events_long_after_a_closing_open_a_case_that_continues_nothing():
    provider()
    deliver(report(event(CAROL)))
    for closed, days in ((0, 80), (81, 200)):
        Case.objects.filter(closed_at=None).update(accepting=False, state="RESOLVED", closed_at=NOW + timedelta(days=closed))
        later = NOW + timedelta(days=days)
        deliver(report(event(CAROL, later - timedelta(hours=1)), by=f"r{days}@example.org"), now=later)
        assert CaseLink.objects.filter(kind="continues").count() == 1
    assert Case.objects.count() == 3


def test_a_case_by_hand_goes_by_the_brand_too(brands):
    carols, _ = brands
    colleagues()
    opened = {"category": "spam", "headline": "x", "description": "by telephone", "by": "alice", "now": NOW}
    carol = carols.get()
    assert cases.open_by_hand(customer=carol.customer_id, service=carol.pk, **opened).edition.pack == "managed-services"
    carols.update(brand="south")
    assert cases.open_by_hand(customer=carol.customer_id, service=carol.pk, **opened).edition.pack == "dedicated-hosting"
    assert cases.open_by_hand(customer=carol.customer_id, service=None, **opened).brand == "north"


def test_a_protected_service_of_an_ordinary_customer_opens_with_a_person(brands):
    _, daves = brands
    daves.update(protected_class="hospital")
    deliver(report(event(CAROL), event(DAVE)))
    states = {case.service.external_id: case.state for case in Case.objects.select_related("service")}
    assert states == {"carol-1": "TICKETED", "dave-1": "TRIAGE"}
