"""What every page carries, and where the pages are."""

import logging
import logging.config
import sys

import pytest
from django.conf import settings
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


@pytest.mark.parametrize("place", ["c", "my/sign-in", "my/confirm", "confirm", "status"])
def test_no_log_holds_a_link_by_which_somebody_could_act(place: str) -> None:
    token = "Zm9vYmFyYmF6cXV4LWZvb2Jhci1iYXo"
    try:
        raise ValueError(f"https://abuse.example.net/{place}/{token}/")
    except ValueError:
        why = sys.exc_info()
    made = logging.config.DictConfigurator(settings.LOGGING).configure_formatter(dict(settings.LOGGING["formatters"]["line"]))
    line = made.format(logging.LogRecord("django.request", 30, "", 1, "Forbidden: %s", (f"/{place}/{token}/renew/",), why))
    assert f"django.request: Forbidden: /{place}/..." in line and "Traceback" in line and token not in line
