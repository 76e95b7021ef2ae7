"""Small secrets that the database keeps for us, encrypted under a key from the instance's secret key.

AES-256-GCM, a random nonce before the text. A dump alone gives no secret away. Whoever changes the secret key makes every
such secret unreadable: second factors must then be set up anew.
"""

import os
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils.crypto import salted_hmac

from tipstaff.kernel.errors import Refused

NONCE = 12


def _key() -> bytes:
    return blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"tipstaff.staff").digest()


def wrap(secret: bytes, about: str) -> bytes:
    """The encrypted secret; ``about`` says whose it is, and opens it again only there."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(_key()).encrypt(nonce, secret, about.encode())


def unwrap(wrapped: bytes | memoryview, about: str) -> bytes:
    """The secret. Raises Refused where the key or the row is another."""
    try:
        return AESGCM(_key()).decrypt(bytes(wrapped[:NONCE]), bytes(wrapped[NONCE:]), about.encode())
    except InvalidTag:
        raise Refused("this was set up under another secret key; an administrator removes it, then set it up anew") from None


def digest(what: str, text: str) -> str:
    """A keyed digest: the same text gives the same again here, and nothing to anybody who reads the database."""
    return salted_hmac(f"tipstaff.accounts.{what}", text, algorithm="sha256").hexdigest()[:32]
