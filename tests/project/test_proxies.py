"""Behind a proxy each visitor is counted by their own address, and by none that they made up."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.project import checkup
from tipstaff.project.proxies import Believing, client_of

TRUSTED = (ip_network("127.0.0.1/32"), ip_network("::1/128"), ip_network("192.0.2.0/28"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),  # the left one is the client's own word
        ("127.0.0.1", "198.51.100.7, 192.0.2.3", "198.51.100.7"),  # two proxies
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1, 127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "made up", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, made up", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),  # a stranger is not believed
        ("", "198.51.100.7", ""),
    ],
)
def test_the_client_is_the_first_that_is_no_proxy_of_ours(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, TRUSTED) == client


@given(st.text(max_size=200))
def test_what_a_stranger_writes_changes_nothing_of_what_our_proxy_adds(said: str) -> None:
    assert client_of("127.0.0.1", f"{said}, 198.51.100.7", TRUSTED) == "198.51.100.7"
    assert client_of("203.0.113.9", said, TRUSTED) == "203.0.113.9"


@pytest.mark.parametrize(("trusted", "seen"), [(TRUSTED, "198.51.100.7"), ((), "127.0.0.1")])
def test_the_application_sees_the_client(trusted, seen: str) -> None:
    taken = []

    def page(environ, start):
        taken.append(environ["REMOTE_ADDR"])
        return [b""]

    application = Believing(page, trusted)
    application({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}, lambda *_: None)
    application({"REMOTE_ADDR": "127.0.0.1"}, lambda *_: None)
    assert taken == [seen, "127.0.0.1"]


def test_the_doctor_says_where_everybody_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIPSTAFF_PROXIES", raising=False)
    monkeypatch.setenv("TIPSTAFF_PUBLIC_URL", "http://127.0.0.1:8700")
    assert list(checkup.proxies()) == []
    monkeypatch.setenv("TIPSTAFF_PUBLIC_URL", "https://abuse.example.net")
    (found,) = checkup.proxies()
    assert found.level == checkup.WARN and "TIPSTAFF_PROXIES" in found.advice
    monkeypatch.setenv("TIPSTAFF_PROXIES", "127.0.0.1")
    (found,) = checkup.proxies()
    assert found.level == checkup.OK and "127.0.0.1" in found.found and "underscores" in found.advice
