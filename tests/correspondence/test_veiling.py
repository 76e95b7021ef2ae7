"""The desk may read what was sent, and never gets the link by which its reader acts."""

import pytest
from django.test import Client

from tests.faces.portal import given
from tipstaff.accounts.models import StaffMember
from tipstaff.cases.portal_access import Visitor
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.veiling import veiled
from tipstaff.faces.portal import signing_in
from tipstaff.kernel.clock import now as clock_now


def test_tokens_go_and_addresses_stay():
    text = "See https://abuse.example.net/c/Zm9vYmFyMTIzNDU2Nzg5MA or https://abuse.example.net/policy/default/1/ (/c/x)"
    assert veiled(text) == "See https://abuse.example.net/c/... or https://abuse.example.net/policy/default/1/ (/c/x)"


@pytest.mark.django_db
@pytest.mark.parametrize("sending", [True, False])
def test_an_analyst_cannot_sign_in_by_a_mail_that_was_sent(settings, tmp_path, sending):
    settings.STATE, settings.SPOOL, settings.SENDING = tmp_path, tmp_path / "spool", sending
    now = clock_now()
    world = given.world(now)
    secret = signing_in.ask(email="abuse@carol.example", code="en", mailed=True, now=now)
    alice = Client()
    alice.force_login(StaffMember.objects.create(username="alice", roles=["analyst"]))
    page = alice.get(f"/outbox/{OutboxMessage.objects.get(kind='portal').pk}/")
    assert page.status_code == 200 and (secret in page.content.decode()) is not sending
    assert Visitor({world.cases["carol"].customer_id: world.contacts["carol"].pk}).customers
