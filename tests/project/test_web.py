"""What every page carries, and where the pages are."""

import pytest
from django.test import Client
from django.urls import get_resolver

from tipstaff.project import security


def test_every_address_belongs_to_a_page() -> None:
    assert get_resolver().url_patterns is not None


@pytest.mark.django_db
def test_even_a_page_that_is_not_there_carries_the_headers() -> None:
    response = Client().get("/nowhere-at-all")
    assert response.headers["Content-Security-Policy"] == security.POLICY
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"


def test_no_inline_script_is_ever_allowed() -> None:
    rules = dict(rule.split(" ", 1) for rule in security.POLICY.split("; "))
    assert rules["default-src"] == "'none'" and rules["script-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
