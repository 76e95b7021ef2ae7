"""Single sign-on against a provider that speaks real HTTP and signs real tokens, and against its misbehaviour."""

import logging
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.accounts.provider import CLIENT, SECRET, IdentityProvider
from tipstaff.accounts.single_sign_on import Client, Provider, role_table
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Refused

NOW = int(clock.now().timestamp())
BACK = "http://desk.example/login/sso/back/"
ROLES = role_table("abuse=analyst, leads = lead+admin")


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    made = IdentityProvider().start()
    yield made
    made.stop()


def client_of(provider: IdentityProvider, **more) -> Client:
    return Client(Provider(provider.issuer, CLIENT, SECRET, roles=ROLES, **more), Clock())


def signs_in(client: Client, **change):
    there, attempt = client.begin(BACK)
    back = httpx.get(there).headers["Location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()} | change
    return client.finish(answer, attempt, BACK)


def test_who_signs_in_there_is_known_here(provider) -> None:
    provider.claims |= {
        "name": "Erin Counsel",
        "email": "erin@northgate.example",
        "email_verified": True,
        "groups": ["abuse", "leads", "x"],
    }
    person = signs_in(client_of(provider))
    assert person.subject == f"{provider.issuer}|u-1"
    assert (person.username, person.name, person.email) == ("erin", "Erin Counsel", "erin@northgate.example")
    assert person.roles == {"analyst", "lead", "admin"}


def test_an_unverified_address_is_not_taken(provider) -> None:
    provider.claims |= {"email": "victim@northgate.example", "email_verified": False}
    assert signs_in(client_of(provider)).email == ""


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256"])
def test_ways_to_sign(algorithm) -> None:
    provider = IdentityProvider(algorithm=algorithm).start()
    try:
        assert signs_in(client_of(provider)).username == "erin"
    finally:
        provider.stop()


def test_the_way_out_has_proof_key_state_and_nonce(provider) -> None:
    there, attempt = client_of(provider).begin(BACK)
    asked = parse_qs(urlsplit(there).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["response_type"] == ["code"]
    assert asked["state"] == [attempt.state] and asked["nonce"] == [attempt.nonce]
    assert attempt.verifier not in there and 43 <= len(attempt.verifier) <= 128
    other = client_of(provider).begin(BACK)[1]
    assert not {attempt.state, attempt.nonce, attempt.verifier} & {other.state, other.nonce, other.verifier}


def test_a_client_that_sends_its_secret_in_the_form(provider) -> None:
    provider.methods = ("client_secret_post",)
    assert signs_in(client_of(provider)).username == "erin"


SPOILED = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "someone-else"},
    "several audiences, none the authorised": {"aud": [CLIENT, "other"], "azp": "other"},
    "several audiences and no word which": {"aud": [CLIENT, "other"]},
    "expired": {"exp": NOW - 3600},
    "from the future": {"iat": NOW + 3600},
    "not valid yet": {"nbf": NOW + 3600},
    "another nonce": {"nonce": "replayed"},
    "no nonce": {"nonce": None},
    "no expiry": {"exp": None},
    "no subject": {"sub": None},
    "no role": {"groups": ["somebody"]},
    "no groups": {"groups": None},
    "groups of the wrong kind": {"groups": {"abuse": True}, "preferred_username": "x"},
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_token_that_is_not_right_is_refused(provider, what) -> None:
    provider.spoil = SPOILED[what]
    if what == "groups of the wrong kind":
        provider.spoil = {"groups": {"nothing": True}}
    with pytest.raises(Refused) as refused:
        signs_in(client_of(provider))
    assert SECRET not in str(refused.value) and "eyJ" not in str(refused.value)


def test_a_token_signed_by_somebody_else_is_refused(provider) -> None:
    provider.signs_with = rsa.generate_private_key(65537, 2048)
    with pytest.raises(Refused, match="does not hold"):
        signs_in(client_of(provider))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_an_unsigned_token_and_one_signed_with_what_is_public_are_refused(provider, algorithm, monkeypatch) -> None:
    """The two oldest tricks: no signature, and the public key or the client's secret taken as a password."""
    plain = jwt.encode

    def forged(claims, key, _, headers):
        return plain(claims, "" if algorithm == "none" else SECRET, algorithm, headers=headers)

    monkeypatch.setattr("tests.accounts.provider.jwt.encode", forged)
    with pytest.raises(Refused, match="signed in a way that is not taken"):
        signs_in(client_of(provider))


def test_when_the_provider_changes_its_keys_they_are_asked_for_again(provider) -> None:
    client = client_of(provider)
    signs_in(client)
    provider.new_key()
    client.clock.at += 61
    assert signs_in(client).username == "erin"
    assert provider.asked.count("/keys") == 2
    provider.headers = {"kid": "made-up"}
    for _ in range(5):  # a made-up key number does not make us hammer the provider
        with pytest.raises(Refused, match="does not publish"):
            signs_in(client)
    assert provider.asked.count("/keys") <= 3


def test_state_code_and_proof_belong_to_one_attempt(provider) -> None:
    client = client_of(provider)
    with pytest.raises(Refused, match="no sign-in that began"):
        signs_in(client, state="forged")
    with pytest.raises(Refused, match="answers 400"):
        signs_in(client, code="guessed")
    there, _ = client.begin(BACK)
    back = parse_qs(urlsplit(httpx.get(there).headers["Location"]).query)
    _, other = client.begin(BACK)
    with pytest.raises(Refused, match="answers 400"):  # a stolen code is worth nothing without its proof
        client.finish({"code": back["code"][0], "state": other.state}, other, BACK)


def test_an_answer_of_another_provider_is_refused(provider) -> None:
    with pytest.raises(Refused, match="another identity provider"):
        signs_in(client_of(provider), iss="https://evil.example")
    with pytest.raises(Refused, match=r"said no \(access_denied\)"):
        signs_in(client_of(provider), error="access_denied")


def test_a_provider_that_describes_itself_as_another_is_refused(provider) -> None:
    provider.wrong_issuer = "https://evil.example"
    with pytest.raises(Refused, match="describes itself as another"):
        client_of(provider).begin(BACK)


def test_roles_that_are_not_in_the_token_are_asked_for(provider) -> None:
    provider.claims.pop("groups")
    provider.userinfo = {"sub": "u-1", "groups": "leads"}
    assert signs_in(client_of(provider)).roles == {"lead", "admin"}
    provider.userinfo = {"sub": "u-2", "groups": "leads"}
    with pytest.raises(Refused, match="somebody else"):
        signs_in(client_of(provider))


@pytest.mark.parametrize("issuer", ["http://idp.example", "ftp://127.0.0.1", "file:///etc/passwd"])
def test_a_provider_is_asked_by_https_only(issuer) -> None:
    with pytest.raises(Refused, match="by https"):
        Client(Provider(issuer, CLIENT, SECRET), Clock()).begin(BACK)


def test_a_provider_that_is_away_is_said_to_be(provider) -> None:
    client = client_of(provider)
    provider.stop()
    with pytest.raises(Refused, match="cannot be asked now"):
        client.begin(BACK)
    provider.stop = lambda: None


def test_secrets_are_in_no_log_and_no_repr(provider, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(provider)
    signs_in(client)
    there, attempt = client.begin(BACK)
    text = caplog.text + repr(client.provider) + repr(attempt)
    assert SECRET not in text and attempt.verifier not in text and "eyJ" not in caplog.text


def test_the_table_of_roles_says_what_is_wrong() -> None:
    assert role_table("") == {}
    assert role_table("cn=abuse=analyst") == {"cn=abuse": frozenset({"analyst"})}
    with pytest.raises(InputError) as wrong:
        role_table("abuse, leads=boss, =lead")
    assert len(wrong.value.problems) == 3
