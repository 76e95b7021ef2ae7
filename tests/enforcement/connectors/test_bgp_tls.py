"""A gobgpd that speaks TLS is believed only with a certificate of the authority that was named."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.enforcement.servers import need_programs
from tests.enforcement.testbed.programs import Program
from tipstaff.enforcement.connectors.contract import ConnectorError
from tipstaff.enforcement.connectors.gobgp.speaker import Speaker
from tipstaff.kernel import clock
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import answers, wait_until


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = clock.now()
    made = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(9)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = directory / f"{name}.pem", directory / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(*formats))
    return pem, secret


def test_only_the_named_authority_is_believed(tmp_path: Path) -> None:
    need_programs("gobgpd")
    pem, secret = certificate(tmp_path, "ours")
    other, _ = certificate(tmp_path, "other")
    port = free_port()
    (tmp_path / "gobgpd.toml").write_text('[global.config]\n  as = 65000\n  router-id = "10.0.0.3"\n  port = -1\n')
    words = ("-f", "gobgpd.toml", "-t", "toml", "--api-hosts", f"127.0.0.1:{port}", "--pprof-disable")
    program = Program(tmp_path, "gobgpd", *words, "--tls", "--tls-cert-file", str(pem), "--tls-key-file", str(secret))
    program.start()
    try:
        assert wait_until(lambda: answers("127.0.0.1", port), 60), program.said()
        with Speaker(f"127.0.0.1:{port}", 5, str(pem)) as trusted:
            assert trusted.asn() == 65000
        for authority in (str(other), ""):
            with Speaker(f"127.0.0.1:{port}", 2, authority) as misled, pytest.raises(ConnectorError):
                misled.asn()
    finally:
        program.kill()
