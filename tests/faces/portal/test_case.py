"""The case page and what a customer can answer there: by the account and by the link from a mail."""

import pytest

from tipstaff.cases.models import Statement

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["account", "link"])
def door(request, world):
    """(browser, where Carol's case begins), both ways in."""
    if request.param == "account":
        return world.signed_in("carol"), f"/my/cases/{world.cases['carol'].pk}/"
    from django.test import Client

    return Client(), world.link("carol")


def test_acknowledging_is_no_admission_and_moves_the_case(world, door):
    client, base = door
    page = client.get(base).content.decode()
    assert "That is not an admission of anything." in page and f'action="{base}acknowledge/"' in page
    answer = client.post(f"{base}acknowledge/", follow=True)
    assert "that is not an admission" in answer.content.decode()
    assert world.fresh("carol").state == "ACKNOWLEDGED"
    said = Statement.objects.get(case=world.cases["carol"])
    assert (said.kind, said.via, said.author, said.contact) == ("acknowledgement", "portal", "Carol Meyer", world.contacts["carol"])
