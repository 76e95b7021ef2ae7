"""What somebody entered into the form: as typed, what is wrong with it, and the document that it becomes. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tipstaff.faces.public.kinds import FIELDS, Kind, is_sealed, kind_of, may_be_anonymous, needed
from tipstaff.faces.public.reading import OURS, Place, Reading, is_public
from tipstaff.faces.public.words import Sentence
from tipstaff.intake.parsers.web_form import SCHEMA
from tipstaff.intake.reading.indicators import find_mailboxes, normal_ip
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.walk import every_part
from tipstaff.kernel.text import whole
from tipstaff.policy.edition import Edition

LIMITS = {"paste": 200_000, "description": 4_000, "places": 4_000, "sample_headers": 60_000}
SHORT = 300
OLDEST = timedelta(days=5 * 365)
ZONES = tuple(
    f"{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    for minutes in sorted({*range(-12 * 60, 15 * 60, 60), -210, 210, 270, 330, 345, 390, 570, 630})
    if minutes
)
GENERAL = (
    "paste",
    "kind",
    "places",
    "at",
    "zone",
    "description",
    "name",
    "email",
    "organisation",
    "nonce",
    "seen",
    "tell",
    "website",
)
MEDIA = ("image/", "video/", "audio/")


@dataclass(frozen=True)
class Filled:
    """The form's fields as text. ``extra`` are those of FIELDS that belong to the kind."""

    values: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> str:
        if name in GENERAL:
            return self.values.get(name, "")
        raise AttributeError(name)

    @property
    def chosen(self) -> Kind | None:
        return kind_of(self.values.get("kind", ""))

    def having(self, **values: str) -> "Filled":
        return replace(self, values={**self.values, **values})


def from_post(post: Mapping[str, str]) -> Filled:
    """The fields, cut at their limits, without NUL and carriage returns."""
    return Filled({name: _clean(post, name) for name in GENERAL}, {name: _clean(post, name) for name in FIELDS})


def _clean(post: Mapping[str, str], name: str) -> str:
    text = post.get(name, "")
    return text.replace("\x00", "").replace("\r\n", "\n").strip()[: LIMITS.get(name, SHORT)]


def with_reading(filled: Filled, reading: Reading) -> Filled:
    """The form after a check: what was read goes into the fields that are still empty."""
    at = reading.occurred_at.astimezone(UTC) if reading.occurred_at else None
    read = {
        "places": "\n".join(place.text for place in reading.places),
        "kind": reading.category if reading.category and kind_of(reading.category) else "",
        "at": f"{at:%Y-%m-%d %H:%M:%S}" if at else "",
        "zone": "UTC" if at else "",
        "name": reading.name, "email": reading.email,
    }  # fmt: skip
    if reading.sealed:
        read["kind"] = "csam"
        return filled.having(**read)
    return filled.having(**{name: value for name, value in read.items() if value and not getattr(filled, name)})


def moment_of(filled: Filled) -> datetime | None:
    """The time with its zone in UTC; None where it cannot be read."""
    found = read_time(written_time(filled)) if filled.at and filled.zone else None
    return found.at if found else None


def written_time(filled: Filled) -> str:
    return f"{filled.at} {'+00:00' if filled.zone == 'UTC' else filled.zone}"


def problems_of(filled: Filled, places: list[Place], wrong: list[str], edition: Edition | None, now: datetime) -> dict[str, str]:
    """What is wrong or missing, by field, in words that say what to do; empty when it can be sent."""
    found: dict[str, str] = {}
    kind = filled.chosen
    if wrong:
        found["places"] = Sentence.of(
            "{given} is no address, host or URL. One on each line; ports as 192.0.2.7:25.", given=repr(wrong[0])
        )
    if kind is None:  # what else is needed depends on the kind; what is wrong in any case is said at once
        missing = {"kind": "Choose what comes closest."}
        return missing | found | _wrong_time(filled, required=False, now=now) | _wrong_contact(filled, anonymous=True)
    must = needed(kind.code, edition)
    if not places and not wrong:
        found["places"] = "Give the address or the URL: without it nobody can find out whose it is."
    elif not wrong and "url" in must and not any(place.url for place in places) and not is_sealed(kind.code, edition):
        found["places"] = "For this kind we need the full URL, beginning with http:// or https://."
    found |= _wrong_time(filled, not is_sealed(kind.code, edition), now)
    found |= _wrong_contact(filled, may_be_anonymous(kind.code, edition))
    found |= _wrong_extras(filled, kind, must)
    if not filled.description and not filled.paste and not is_sealed(kind.code, edition):
        found["description"] = "Say in a sentence what happened."
    if is_sealed(kind.code, edition) and has_media(f"{filled.paste}\n{filled.description}"):
        found["paste"] = "There is a picture or a video in it. Do not send it to anybody: give the address only."
    return found


def _wrong_time(filled: Filled, required: bool, now: datetime) -> dict[str, str]:
    if not filled.at:
        return {"at": "When was it first seen? An address may have another holder an hour later."} if required else {}
    if filled.zone != "UTC" and filled.zone not in ZONES:
        return {"zone": "Choose the zone that the time is in; an hour's difference can accuse the wrong customer."}
    at = moment_of(filled)
    if at is None:
        return {"at": "Write it as 2026-06-14 10:02:11."}
    if at > now + timedelta(hours=1):
        return {"at": "That is in the future. Is the time zone right?"}
    if at < now - OLDEST:
        return {"at": "That is more than five years ago; we cannot tell whose it was."}
    return {}


def _wrong_contact(filled: Filled, anonymous: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    if not anonymous and not filled.name:
        found["name"] = "Give your name: our policy takes complaints from people who can be asked."
    address = filled.email
    if not anonymous and not address:
        found["email"] = "Give an address at which we can reach you."
    elif address and [one.value for one in find_mailboxes(address)] != [address.lower()]:
        found["email"] = "This is not a whole mail address. Write name@example.org."
    return found


def _wrong_extras(filled: Filled, kind: Kind, must: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in kind.fields:
        value, shape = filled.extra.get(name, ""), FIELDS[name].kind
        if shape == "address" and value and not normal_ip(value):
            found[name] = Sentence.of("{given} is no address.", given=repr(value[:50]))
        elif shape == "address" and value and not is_public(normal_ip(value) or value):
            found[name] = Sentence.of("{given} is private. Give the public address, or leave this empty.", given=value)
        elif shape == "port" and value and ((port := whole(value, 5)) is None or port > 65535):
            found[name] = "A port is a number from 0 to 65535."
        elif name in must and not value and not (name == "sample_headers" and filled.paste):
            found[name] = Sentence.joined((f"{FIELDS[name].label}", "We cannot act on this kind without it."))
        elif shape == "tick" and not value:
            found[name] = "A copyright notice is not valid without this statement."
        elif name in {"signature"} and not value:
            found[name] = "Type your full name as your signature."
    return found


def has_media(text: str) -> bool:
    """Whether a paste carries a picture, a video or a sound, as a mail's attachment or as a data URL."""
    if any(f"data:{kind}" in text.lower() for kind in MEDIA):
        return True
    parts = [part for message in open_message(text.encode()) for part in every_part(message)]
    return any(part.content_type.startswith(MEDIA) for part in parts)


def document(filled: Filled, places: list[Place], edition: Edition | None, now: datetime) -> dict[str, Any]:
    """What is handed to intake, for the parser ``web_form``. Of a sealed kind: addresses and words only, never the paste."""
    kind = filled.chosen
    assert kind is not None
    sealed = is_sealed(kind.code, edition)
    details = {name: filled.extra[name] for name in kind.fields if filled.extra.get(name) and FIELDS[name].kind != "tick"}
    first = next((place for place in places if place.answer == OURS), places[0])
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "category": kind.code,
        "sent_at": now.isoformat(timespec="seconds"),
        "subject": f"{kind.title}: {first.text}"[:200],
        "description": filled.description or ("" if sealed else f"{kind.title}, see the text below."),
        "occurred_at": written_time(filled) if filled.at else "",
        "locators": [place.as_row() for place in places],
        "details": details,
        "reporter": {"name": filled.name, "email": filled.email, "organisation": filled.organisation},
        "wants_word": filled.tell == "yes",
        "text": "" if sealed else filled.paste,
    }
    if kind.code == "copyright":
        content["copyright"] = _notice(filled, places)
    return content


def _notice(filled: Filled, places: list[Place]) -> dict[str, Any]:
    """The elements of a notice (17 U.S.C. 512(c)(3)(A)), as the form has them."""
    extra = filled.extra
    elements = {
        "signature": bool(extra.get("signature")),
        "work": bool(extra.get("work")),
        "material_and_location": bool(places),
        "contact": bool(filled.email),
        "good_faith": bool(extra.get("good_faith")),
        "accuracy_under_perjury": bool(extra.get("perjury")),
    }
    missing = [name for name, there in elements.items() if not there]
    return {"kind": "copyright", "work": extra.get("work", ""), "claimant": filled.name, "elements": elements, "missing": missing}


def digest_of(content: Mapping[str, Any]) -> str:
    """What was previewed, so that what is sent is what was seen."""
    shown = {key: value for key, value in content.items() if key != "sent_at"}
    return hashlib.blake2b(json.dumps(shown, sort_keys=True).encode(), digest_size=16).hexdigest()
