"""The packs by name, the codes that each must know, and a copy of a pack that a test may break."""

import shutil
from importlib import resources
from pathlib import Path

CODES = """
    csam threat_life terror ddos_origin c2 phishing malware spyware compromised intrusion scan scraping unauth_test spam
    spam_support header_forgery open_relay copyright trademark harassment_hate ncii_violence defamation_privacy fraud_site
    gambling trade_secret_leak third_party_rules blocklisted dns_load shared_load ip_misuse registrar_data billing_fraud
    vulnerable threat_intel retaliation_risk network_harm obscene other
""".split()  # noqa: SIM905 - as a list it would be one line of 500 characters
PACKS = ("managed-services", "dedicated-hosting", "default")


def copy_of(pack: str, directory: Path) -> Path:
    with resources.as_file(resources.files("tipstaff.policy") / "packs" / pack) as source:
        return Path(shutil.copytree(source, directory / pack))


def change(directory: Path, before: str, after: str, file: str = "edition.toml") -> None:
    """Replace the first occurrence of ``before``, which must be there."""
    path = directory / file
    text = path.read_text("utf-8")
    assert before in text, f"{before!r} is not in {path}"
    path.write_text(text.replace(before, after, 1), "utf-8")
