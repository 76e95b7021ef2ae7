"""Numbers that are none, in every form and address of the desk that takes one: a refusal that says so, never a failure."""

import pytest

from tests.faces.desk import factory

HUGE = "9" * 5000
NONE = ["²", "٣", HUGE, "-1"]
ADDRESSES = ["/outbox/?after={}", "/customers/?after=x~{}", "/queue/?customer={}"]
FORMS = [
    ("/outbox/bulk/", "message", {"action": "retry"}),
    ("/queue/bulk/", "case", {"action": "take"}),
    ("/settings/macros/", "remove", {}),
    ("/me/security/end/", "session", {}),
    ("/settings/", "source", {"minutes": "5"}),
    ("/settings/on-call/", "order", {"name": "Night"}),
    ("/rules/new/", "port", {"name": "x", "action": "record"}),
    ("/rules/new/", "at_least", {"name": "x", "action": "record"}),
    ("/rules/risks/", "port", {"reason": "x", "until": "2031-01-01", "prefix": "192.0.2.0/24"}),
]


@pytest.fixture
def bob(db, now, signed_in):
    factory.staff(now)
    return signed_in("bob")


@pytest.mark.parametrize("number", NONE, ids=["superscript", "arabic", "huge", "negative"])
def test_no_page_and_no_form_fails_on_what_is_no_number(bob, number) -> None:
    for address in ADDRESSES:
        assert bob.get(address.format(number)).status_code in {200, 422}, address
    for address, field, more in FORMS:
        assert bob.post(address, more | {field: number}).status_code in {302, 404, 422}, (address, field)


def test_a_moment_before_all_calendars_is_no_moment(bob) -> None:
    asked = {"kind": "test", "title": "x", "from": "0001-01-01T00:00+14:00", "until": "9999-12-31T23:59-14:00"}
    answer = bob.post("/rules/permits/", asked)
    assert answer.status_code == 422 and "is no moment" in answer.content.decode()
