"""Single sign-on by OpenID Connect: authorization code flow with PKCE (RFC 7636), state, nonce, and the provider's keys.

The identity token is believed only if one of the provider's current keys signed it and issuer, audience, times and nonce are
those of this very attempt (OpenID Connect Core, 3.1.3.7). Roles come from one claim by the operator's table; who has none of
them does not get in.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import jwt

from tipstaff.accounts.roles import STAFF
from tipstaff.kernel.errors import InputError, Problem, Refused

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")  # never none, never HMAC
LEEWAY = 60  # seconds that clocks may differ
TIMEOUT = 10.0  # seconds for each request to the provider
LARGEST = 1_000_000  # bytes of an answer
KEYS_AGAIN = 60.0  # seconds before an unknown key makes us ask for the keys again
DOCUMENT_FOR = 3600.0  # seconds that the provider's description is believed


@dataclass(frozen=True)
class Provider:
    """What the operator set: issuer, client, the claim with groups or roles, and which of our roles they give."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    claim: str = "groups"
    username_claim: str = "preferred_username"
    scopes: str = "openid profile email"
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """What is kept in the session between the way out and the way back."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Person:
    """Whom the provider vouches for: a lasting subject, a name, and the roles that the table gives them."""

    subject: str
    username: str
    name: str
    email: str
    roles: frozenset[str]


def role_table(text: str) -> dict[str, frozenset[str]]:
    """``noc-leads=lead+admin, abuse=analyst`` → which value of the claim gives which roles. Raises InputError."""
    found: dict[str, frozenset[str]] = {}
    problems = []
    for pair in filter(None, (one.strip() for one in text.split(","))):
        group, equals, names = pair.rpartition("=")
        roles = frozenset(name.strip() for name in names.split("+"))
        if not equals or not group.strip() or not roles <= set(STAFF):
            problems.append(Problem("oidc_roles", f"{pair!r}", f"write GROUP=ROLE+ROLE with roles of {', '.join(STAFF)}"))
        found[group.strip()] = roles
    if problems:
        raise InputError(problems)
    return found


class Client:
    """Speaks to one provider; keeps its description and keys for a while. ``clock`` gives seconds that only grow."""

    def __init__(self, provider: Provider, clock: Any, transport: httpx.BaseTransport | None = None) -> None:
        self.provider, self.clock = provider, clock
        self._http = httpx.Client(timeout=TIMEOUT, follow_redirects=False, transport=transport, trust_env=False)
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    def begin(self, back: str) -> tuple[str, Attempt]:
        """(where the browser goes, what to keep). ``back`` is our own address for the way back."""
        attempt = Attempt(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(64))
        challenge = urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.provider.client_id, "redirect_uri": back, "scope": self.provider.scopes,
            "state": attempt.state, "nonce": attempt.nonce, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        there = self._described()["authorization_endpoint"]
        return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(asked)}", attempt

    def finish(self, answer: Mapping[str, str], attempt: Attempt, back: str) -> Person:
        """Whom the provider vouches for. Raises Refused, saying what was wrong, never with a token or a secret in it."""
        if not hmac.compare_digest(answer.get("state", "").encode(), attempt.state.encode()):
            raise Refused("this answer belongs to no sign-in that began in this browser; begin again")
        if answer.get("error"):
            raise Refused(f"the identity provider said no ({_plain(answer['error'])})")
        if answer.get("iss", self.provider.issuer) != self.provider.issuer:  # RFC 9207
            raise Refused("the answer came from another identity provider than was asked")
        tokens = self._exchange(answer.get("code", ""), attempt, back)
        claims = self._believed(tokens.get("id_token"), attempt.nonce)
        if self.provider.claim not in claims and tokens.get("access_token"):
            claims = self._asked_for_more(claims, tokens["access_token"])
        return self._person(claims)

    def _exchange(self, code: str, attempt: Attempt, back: str) -> dict[str, Any]:
        known = self._described()
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": attempt.verifier,
            "client_id": self.provider.client_id,
        }  # fmt: skip
        basic = "client_secret_basic" in known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self.provider.client_secret and not basic:
            form["client_secret"] = self.provider.client_secret
        login = (self.provider.client_id, self.provider.client_secret)
        return self._json("POST", known["token_endpoint"], data=form, auth=login if basic and self.provider.client_secret else None)

    def _believed(self, token: Any, nonce: str) -> dict[str, Any]:
        """The claims of an identity token that stands every test; the package does signature, issuer, audience and times."""
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS:
                raise Refused("the identity token is signed in a way that is not taken")
            claims: dict[str, Any] = jwt.decode(
                token, self._key(head.get("kid"), head["alg"]), algorithms=[head["alg"]], audience=self.provider.client_id,
                issuer=self.provider.issuer, leeway=LEEWAY, options={"require": ["iss", "aud", "exp", "iat", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, TypeError, ValueError, KeyError) as error:
            raise Refused(f"the identity token does not hold ({type(error).__name__})") from None
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", self.provider.client_id if not several else None) != self.provider.client_id:
            raise Refused("the identity token was made for another client")
        if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
            raise Refused("the identity token belongs to another attempt")
        return claims

    def _key(self, number: str | None, algorithm: str) -> Any:
        """The provider's key of that number; asked for again when it is new, as keys are changed now and then."""
        for again in (False, True):
            keys = [one for one in self._known_keys(again) if number is None or one.get("kid") == number]
            fitting = [one for one in keys if one.get("use", "sig") == "sig" and one.get("alg", algorithm) == algorithm]
            if len(fitting) == 1:
                return jwt.PyJWK(fitting[0], algorithm=algorithm).key
        raise Refused("the identity token is signed with a key that the provider does not publish")

    def _known_keys(self, again: bool) -> list[dict[str, Any]]:
        now = self.clock()
        if self._keys is None or (again and now - self._keys[0] >= KEYS_AGAIN) or now - self._keys[0] > DOCUMENT_FOR:
            self._keys = (now, self._json("GET", self._described()["jwks_uri"]))
        return [one for one in self._keys[1].get("keys", []) if isinstance(one, dict)]

    def _asked_for_more(self, claims: dict[str, Any], token: str) -> dict[str, Any]:
        there = self._described().get("userinfo_endpoint")
        if not there:
            return claims
        more = self._json("GET", there, headers={"Authorization": f"Bearer {token}"})
        if more.get("sub") != claims["sub"]:
            raise Refused("the provider's word about the person is about somebody else")
        return more | claims

    def _person(self, claims: dict[str, Any]) -> Person:
        given = claims.get(self.provider.claim, [])
        groups = {given} if isinstance(given, str) else {one for one in given if isinstance(one, str)}
        roles = frozenset(role for group in groups for role in self.provider.roles.get(group, ()))
        if not roles:
            raise Refused("the identity provider knows you, and gives you no role here; ask an administrator")
        name = str(claims.get(self.provider.username_claim) or claims.get("email") or "")
        return Person(
            f"{self.provider.issuer}|{claims['sub']}", name.partition("@")[0].lower(), str(claims.get("name", ""))[:150],
            str(claims.get("email", "")) if claims.get("email_verified") is True else "", roles,
        )  # fmt: skip

    def _described(self) -> dict[str, Any]:
        """The provider's description of itself (OpenID Connect Discovery), which must name the same issuer."""
        now = self.clock()
        if self._document is None or now - self._document[0] > DOCUMENT_FOR:
            found = self._json("GET", self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if found.get("issuer") != self.provider.issuer or not all(isinstance(found.get(name), str) for name in wanted):
                raise Refused("the identity provider describes itself as another; is the issuer set right?")
            for name in wanted:
                _require_safe(found[name])
            self._document = (now, found)
        return self._document[1]

    def _json(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        _require_safe(address)
        try:
            with self._http.stream(method, address, **more) as answer:
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > LARGEST:
                        raise Refused("the identity provider answers with too much")
                if answer.status_code != 200:
                    raise Refused(f"the identity provider answers {answer.status_code}")
            found = httpx.Response(200, content=bytes(content)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise Refused(f"the identity provider cannot be asked now ({type(error).__name__})") from None
        if not isinstance(found, dict):
            raise Refused("the identity provider answers with something else than was asked")
        return found


def _require_safe(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}):
        raise Refused("the identity provider must be asked by https")


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:60] if letter.isalnum() or letter in "_- ")
