"""No page promises a customer that reporters are told where the policy tells them nothing, and no law does (G5, K13)."""

import pytest

from tests.faces.portal.given import world
from tests.faces.portal.test_words import PORTAL, yielded
from tipstaff.cases.models import Case
from tipstaff.faces.portal import hearing

PROMISES = ("tell who reported it", "who reported it is told")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pack", "laws", "promised"),
    [
        ("default", {"dmca"}, True),
        ("dedicated-hosting", {"dmca"}, False),
        ("managed-services", {"dmca"}, False),
        ("managed-services", {"dsa"}, True),
    ],
)
def test_only_what_the_switch_or_a_law_has_us_tell_is_promised(now, settings, pack, laws, promised):
    settings.REPORTER_DUTIES = frozenset(laws)
    made = world(now, pack)
    carol, case = made.signed_in("carol"), made.cases["carol"]
    for state, promise in zip(("TICKETED", "FIX_CLAIMED"), PROMISES, strict=True):
        Case.objects.filter(pk=case.pk).update(state=state)
        shown = carol.get(f"/my/cases/{case.pk}/").content.decode()
        assert (promise in shown) is promised and "close" in shown


def test_every_promise_that_can_be_taken_back_is_one_that_is_made():
    assert set(hearing.UNTOLD) <= yielded(PORTAL / "standing.py")
    assert not [text for text in hearing.UNTOLD.values() for promise in PROMISES if promise in text]
