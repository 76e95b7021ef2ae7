"""A small identity provider (OpenID Connect) on loopback: real HTTP, real keys, real signatures; it can misbehave on request."""

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tipstaff.kernel import clock

CLIENT, SECRET = "tipstaff", "s3cret-of-the-client"


@dataclass
class IdentityProvider:
    """Run with ``start()``; ``claims`` are what the next token says, ``change(claims)`` may spoil them at the last moment."""

    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "erin", "groups": ["abuse"]})
    userinfo: dict[str, Any] = field(default_factory=dict)
    spoil: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    methods: tuple[str, ...] = ("client_secret_basic",)
    signs_with: Any = None
    headers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    wrong_issuer: str = ""

    def start(self) -> "IdentityProvider":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"provider": self}))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.new_key()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def new_key(self) -> None:
        """Change the keys: the old one is published no more."""
        self.number = secrets.token_hex(4)
        self.key = rsa.generate_private_key(65537, 2048) if self.algorithm != "ES256" else ec.generate_private_key(ec.SECP256R1())

    def keys(self) -> dict[str, Any]:
        maker = jwt.algorithms.ECAlgorithm if self.algorithm == "ES256" else jwt.algorithms.RSAAlgorithm
        public = json.loads(maker.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": self.number, "use": "sig", "alg": self.algorithm}]}

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.wrong_issuer or self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo", "token_endpoint_auth_methods_supported": list(self.methods),
        }  # fmt: skip

    def authorize(self, query: str) -> str:
        """What the browser is sent back with; as if the person had signed in there."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        known = authorization == f"Basic {basic}" if "client_secret_basic" in self.methods else form.get("client_secret") == SECRET
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or not known or proof != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(clock.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.claims,
            **self.spoil,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = jwt.encode(claims, self.signs_with or self.key, self.algorithm, headers={"kid": self.number, **self.headers})
        return 200, {"id_token": signed, "access_token": "at-" + secrets.token_hex(4), "token_type": "Bearer"}


class _Answers(BaseHTTPRequestHandler):
    provider: IdentityProvider

    def do_GET(self) -> None:
        there = urlsplit(self.path)
        self.provider.asked.append(there.path)
        if there.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.provider.authorize(there.query))
            self.end_headers()
        elif there.path == "/.well-known/openid-configuration":
            self.tell(200, self.provider.described())
        elif there.path == "/keys":
            self.tell(200, self.provider.keys())
        elif there.path == "/userinfo" and self.headers.get("Authorization", "").startswith("Bearer at-"):
            self.tell(200, self.provider.userinfo)
        else:
            self.tell(404, {})

    def do_POST(self) -> None:
        self.provider.asked.append(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        self.tell(*self.provider.token(form, self.headers.get("Authorization", "")))

    def tell(self, status: int, what: dict[str, Any]) -> None:
        content = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        pass
