"""Every route of the desk says whom it lets in, and lets in nobody else; one that says nothing fails here."""

import re
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern

from tipstaff.accounts import roles
from tipstaff.accounts.models import StaffMember
from tipstaff.faces.desk import access
from tipstaff.faces.desk.urls import urlpatterns

#: What stands before signing in, and no more.
OPEN = {"login/", "login/second/", "login/passkey/options/", "login/passkey/", "login/sso/", "login/sso/back/", "logout/"}
VALUES = {"int": "999999", "uuid": str(UUID(int=7)), "slug": "x", "str": "x", "path": "192.0.2.0/24"}
SEALED = frozenset({"counsel", "liaison"})
#: Whom the tender places let in, whatever is changed around them.
AT_MOST = {
    "sealed/": SEALED,
    "sealed/apart/<int:ruling>/": SEALED,
    "sealed/<uuid:number>/<slug:action>/": SEALED,
    "settings/record/": frozenset({"auditor", "admin", "counsel"}),
    "settings/holds/": frozenset({"lead", "counsel", "auditor", "admin"}),
    "settings/holds/place/": frozenset({"lead", "counsel", "admin"}),
    "settings/holds/<int:number>/release/": frozenset({"counsel"}),
    "cases/<int:number>/evidence/<int:report>/": roles.WORKERS,
    "intake/<uuid:number>/raw/": roles.WORKERS,
    "enforcement/switch/<slug:action>/": frozenset({"lead", "admin", "network", "analyst"}),
}


def routes() -> dict[str, URLPattern]:
    return {str(pattern.pattern): pattern for pattern in urlpatterns}


def filled(route: str) -> str:
    return "/" + re.sub(r"<(\w+):\w+>", lambda found: VALUES[found.group(1)], route)


def test_every_route_says_whom_it_lets_in() -> None:
    silent = {route for route, pattern in routes().items() if not hasattr(pattern.callback, "readers")}
    assert silent == OPEN, "enter the view through access.desk"
    for route, pattern in routes().items():
        if route not in OPEN:
            assert pattern.callback.readers <= set(access.EVERYBODY) and pattern.callback.readers, route


@pytest.mark.parametrize("route", AT_MOST)
def test_the_tender_places_stay_with_those_who_need_them(route: str) -> None:
    view = routes()[route].callback
    assert view.readers <= AT_MOST[route] and view.writers <= AT_MOST[route]


@pytest.fixture
def everybody(db) -> dict[str, Client]:
    """One person for each role that signs in, one without a role, one who is no longer active, and nobody."""
    clients = {"nobody": Client()}
    for name in (*access.EVERYBODY, "roleless", "gone"):
        held = [] if name == "roleless" else ["admin"] if name == "gone" else [name]
        person = StaffMember.objects.create(username=name, roles=held)
        clients[name] = Client()
        clients[name].force_login(person)
    StaffMember.objects.filter(username="gone").update(is_active=False)
    return clients


def test_whoever_is_not_let_in_is_refused_before_anything_is_done(everybody) -> None:
    """Somebody of another role at each route, by GET and by POST; who only reads, by POST; strangers are sent to the login."""
    for route, pattern in routes().items():
        if route in OPEN:
            continue
        address, view = filled(route), pattern.callback
        for answer in (everybody["nobody"].get(address), everybody["gone"].post(address)):
            assert answer.status_code == 302 and answer["Location"].startswith("/login/"), address
        outside = sorted(set(access.EVERYBODY) - view.readers)[:1] or ["roleless"]
        readers = sorted(view.readers - view.writers)[:1]
        answers = [(name, everybody[name].get(address)) for name in outside]
        answers += [(name, everybody[name].post(address)) for name in (*outside, *readers)]
        for name, answer in answers:
            assert answer.status_code == 403, (name, address, answer.status_code)
            assert answer["X-Frame-Options"] == "DENY" and "frame-ancestors 'none'" in answer["Content-Security-Policy"]
