"""Encryption of evidence: every blob under a key of its own (AES-256-GCM), every key wrapped by the instance's.

Forgetting a blob's key erases it, wherever copies of the pack lie.
"""

import base64
import binascii
import os
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from tipstaff.kernel.errors import InputError, Problem, TipstaffError

NONCE = 12  # bytes, NIST SP 800-38D
_ZERO = bytes(NONCE)  # sound for content: its key encrypts one message only


class Tampered(TipstaffError):
    """Stored evidence does not decrypt to what was stored."""


def seal(content: bytes, master: bytes) -> tuple[bytes, bytes]:
    """(ciphertext, wrapped key) of ``content`` under a fresh key."""
    key = os.urandom(32)
    nonce = os.urandom(NONCE)
    return AESGCM(key).encrypt(_ZERO, content, None), nonce + AESGCM(master).encrypt(nonce, key, b"evidence key")


def unseal(ciphertext: bytes, wrapped: bytes, master: bytes) -> bytes:
    """What ``seal`` was given; Tampered when either part was changed or the instance's key is another."""
    try:
        key = AESGCM(master).decrypt(wrapped[:NONCE], wrapped[NONCE:], b"evidence key")
        return AESGCM(key).decrypt(_ZERO, ciphertext, None)
    except InvalidTag as error:
        raise Tampered(
            "the evidence does not decrypt: it was changed, or the evidence key is not the one it was stored with"
        ) from error


@cache
def _from_file(path: Path) -> bytes:
    """The key kept in the state directory, made on first use, once, even when several programs start together."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(base64.b64encode(os.urandom(32)))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return _decoded(path.read_bytes().strip(), str(path))


def _decoded(text: bytes, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(Problem(where, "is not base64", "32 random bytes in base64")) from error
    if len(key) != 32:
        raise InputError(Problem(where, f"holds {len(key)} bytes", "32 random bytes in base64"))
    return key


def master_key() -> bytes:
    """The instance's key: from the environment, else STATE/evidence.key."""
    if settings.EVIDENCE_KEY:
        return _decoded(settings.EVIDENCE_KEY.encode(), "TIPSTAFF_EVIDENCE_KEY")
    return _from_file(settings.STATE / "evidence.key")
