"""An address that leads nowhere says so as the rest of its face does."""

import pytest
from django.test import Client

from tipstaff.accounts.models import StaffMember

pytestmark = pytest.mark.django_db


def test_a_stranger_is_told_in_his_language():
    answer = Client(headers={"accept-language": "de"}).get("/nothing-here/")
    text = answer.content.decode()
    assert answer.status_code == 404 and "Unter dieser Adresse gibt es keine Seite." in text and 'href="/report/"' in text


def test_staff_stay_at_the_desk():
    client = Client()
    client.force_login(StaffMember.objects.create(username="alice", roles=["analyst"]))
    answer = client.get("/nothing-here/")
    assert answer.status_code == 404 and "There is no page at this address." in answer.content.decode()
    assert "desk/tipstaff.css" in answer.content.decode()


def test_a_machine_gets_a_problem_document():
    answer = Client().get("/api/v1/nothing-here")
    assert answer.status_code == 404 and answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 404
