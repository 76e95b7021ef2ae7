"""The kinds of abuse that the form offers, in plain words, and the fields that each asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tipstaff.policy.edition import Category, Edition, Handling, Opening


@dataclass(frozen=True, slots=True)
class Field:
    """One field beyond the general ones. ``kind``: text, address, port, area, tick."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Kind:
    """One choice of the form. ``code`` is the policy's category."""

    code: str
    title: str
    fields: tuple[str, ...] = ()
    note: str = ""


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("destination_ip", "Your attacked address", "As seen from outside.", "address"),
        Field("destination_port", "Port on your side", "", "port"),
        Field("sample_headers", "The message with all its headers", "“Show original” in your mail program.", "area"),
        Field("brand", "Who is imitated", "A bank, a shop, a person."),
        Field("work", "The work that was copied", "Title, and what it is."),
        Field("original", "Where the original can be seen", "A URL, if there is one."),
        Field("mark", "The trademark and its registration"),
        Field("rule_url", "Where the rule can be read", "A URL."),
        Field(
            "good_faith", "I believe in good faith that the owner, its agent or the law does not authorise this use.", "", "tick"
        ),
        Field("perjury", "This is accurate, and under penalty of perjury I am the owner or may act for the owner.", "", "tick"),
        Field("signature", "Signature", "Type your full name."),
    )
}
_ATTACK = ("destination_ip", "destination_port")
KINDS = (
    Kind("intrusion", "Login attempts, break-in", _ATTACK),
    Kind("scan", "Port scan", _ATTACK),
    Kind("ddos_origin", "Flood of traffic", _ATTACK),
    Kind("spam", "Spam", ("sample_headers",)),
    Kind("phishing", "Phishing", ("brand",)),
    Kind("malware", "Malware"),
    Kind("compromised", "Infected machine"),
    Kind("fraud_site", "Fraud"),
    Kind("copyright", "Copyright", ("work", "original", "good_faith", "perjury", "signature"),
         "The law has us pass a copyright notice on, with your name and contact, to the customer it concerns."),
    Kind("trademark", "Trademark", ("mark",)),
    Kind("harassment_hate", "Threats, hate"),
    Kind("csam", "Child abuse material", (),
         "Do not send the material itself, no picture, no video, no copy: give the address only. A trained person handles it and "
         "nobody else sees it. You need not give your name."),
    Kind("other", "Something else"),
)  # fmt: skip


def offered(edition: Edition | None) -> list[Kind]:
    """The kinds that the policy in force knows; without a policy all of them, since a report is taken all the same."""
    return [kind for kind in KINDS if edition is None or kind.code in edition.categories]


def kind_of(code: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.code == code), None)


def may_be_anonymous(code: str, edition: Edition | None) -> bool:
    """Whether the policy lets a report of this kind stand without name and contact (G2)."""
    entry = _entry(code, edition)
    return entry.anonymous_reporter if entry else code == "csam"


def is_sealed(code: str, edition: Edition | None) -> bool:
    """Whether nothing but addresses may be sent in, because the kind goes to the sealed queue (B17)."""
    entry = _entry(code, edition)
    return (entry.opening is Opening.SEALED or Handling.NO_RENDERING in entry.handling) if entry else code == "csam"


def needed(code: str, edition: Edition | None) -> frozenset[str]:
    """What a report of this kind must bring beyond the general list (G4): names of fields, and event_time and url."""
    entry = _entry(code, edition)
    return frozenset(entry.report_fields) if entry else frozenset()


def _entry(code: str, edition: Edition | None) -> Category | None:
    return edition.categories.get(code) if edition else None
