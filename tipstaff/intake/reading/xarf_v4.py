"""XARF v4: the schemas of the specification, and what a schema cannot say (addresses, evidence). Pure.

Source: XARF specification 4.2 (schemas in ``intake/schemas/xarf``, MIT); RFC 3339 times, RFC 9562 identifiers,
RFC 4648 base64.
"""

import binascii
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.taxonomy import known_types
from tipstaff.kernel.errors import Problem

MAX_EVIDENCE_ITEM = 5_242_880  # bytes, decoded: the specification's limit for one item
MAX_PROBLEMS = 50
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}  # algorithm → hexadecimal digits
_LOOKS_LIKE_AN_ADDRESS = pattern(r"^[0-9.]*\d\.\d[0-9.]*$|^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$|^\d+\.\d+\.\d+\.[0-9xX*]+$")
_ADVICE = {
    "required": "add this field",
    "format:date-time": "write an RFC 3339 time with its offset, for example 2025-01-11T09:21:23Z",
    "format:uuid": "write a UUID, for example 550e8400-e29b-41d4-a716-446655440000",
    "format:email": "write one mail address, for example abuse@example.com",
    "format:hostname": "write a host or domain name, for example example.com",
    "format:uri": "write an absolute URL with its scheme",
    "format:ipv4": "write an IPv4 address",
    "format:ipv6": "write an IPv6 address",
    "additionalProperties": "remove the field or move it to where the specification has it",
    "anyOf": "see the alternatives in the schema of this type",
    "type": "use the JSON type that the specification names",
}

#: ``normal_ip``, asked twice for each document (examined, then read).
address_of = lru_cache(maxsize=1024)(normal_ip)


@lru_cache(maxsize=1)
def _schemas() -> dict[str, dict]:
    root = files("tipstaff.intake").joinpath("schemas", "xarf", "v4")
    names = [*root.iterdir(), *root.joinpath("types").iterdir()]
    documents = [json.loads(name.read_text(encoding="utf-8")) for name in names if name.name.endswith(".json")]
    return {document["$id"]: document for document in documents}


@lru_cache(maxsize=1)
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(_schemas().items()))


@lru_cache(maxsize=64)
def _validator(category: str, kind: str) -> jsonschema_rs.Draft202012Validator:
    wanted = f"{category}-{kind}".replace("_", "-")
    for name, schema in _schemas().items():
        if name.rpartition("/")[2].removesuffix(".json").replace("_", "-") == wanted:
            return jsonschema_rs.Draft202012Validator(schema, registry=_registry(), validate_formats=True)
    return jsonschema_rs.Draft202012Validator(_schemas()["https://xarf.org/schemas/v4/xarf-core.json"], validate_formats=True)


@lru_cache(maxsize=64)
def _is_valid_for(category: str, kind: str) -> Any:
    """The bound check of a known type, or None for an unknown type."""
    return _validator(category, kind).is_valid if f"{category}/{kind}" in known_types() else None


@dataclass(frozen=True, slots=True)
class Findings:
    """What an examination found: ``problems`` refuse the document; ``doubts`` are told to a person beside the report."""

    problems: tuple[Problem, ...] = ()
    doubts: tuple[Problem, ...] = ()


_NOTHING = Findings()


def examine_v4(document: dict) -> Findings:
    """Everything that is wrong with a XARF v4 document, each with its field and what to do.

    Checked: the schema of its type with its formats, the source's address, the evidence's base64 and size limit (problems);
    the evidence's stated size and hash (doubts: many real reports, the specification's own
    samples among them, carry hashes of something else, and the accusation stands without). ``where`` is the path of the
    field, as in ``reporter.contact`` or ``evidence[0].hash``.
    """
    category, kind = document.get("category"), document.get("type")
    if not isinstance(category, str) or not isinstance(kind, str):
        return Findings(tuple(_schema_problems(document, "", "")))
    is_valid = _is_valid_for(category, kind)
    if is_valid is None:
        return Findings((_unknown_type(category, kind), *_schema_problems(document, "", ""))[:MAX_PROBLEMS])
    problems = [] if is_valid(document) else _schema_problems(document, category, kind)
    doubts: list[Problem] = []
    source = document.get("source_identifier")
    if isinstance(source, str):
        problems += _source_problems(source)
    evidence = document.get("evidence")
    if evidence and isinstance(evidence, list):
        for index, item in enumerate(evidence[:50]):
            if isinstance(item, dict):
                _examine_evidence(item, f"evidence[{index}]", problems, doubts)
    return Findings(tuple(problems[:MAX_PROBLEMS]), tuple(doubts[:MAX_PROBLEMS])) if problems or doubts else _NOTHING


def _unknown_type(category: str, kind: str) -> Problem:
    types = sorted(name.partition("/")[2] for name in known_types() if name.startswith(f"{category}/"))
    if types:
        return Problem("type", f"{kind[:60]!r} is no type of the category {category}", f"use one of {', '.join(types)}")
    categories = sorted({name.partition("/")[0] for name in known_types()})
    return Problem("category", f"{category[:60]!r} is no XARF category", f"use one of {', '.join(categories)}")


def _schema_problems(document: dict, category: str, kind: str) -> list[Problem]:
    problems: dict[tuple[str, str], Problem] = {}
    for error in _validator(category, kind).iter_errors(document):
        problem = _told(error)
        problems.setdefault((problem.where, problem.what), problem)
        if len(problems) >= MAX_PROBLEMS:
            break
    return list(problems.values())


def _told(error: Any) -> Problem:
    rule = getattr(error.kind, "name", "") or ""
    path = list(error.instance_path)
    detail = error.message
    if rule == "required":
        path.append(str(getattr(error.kind, "property", "")))
        detail = "is missing"
    elif len(detail) > 160:
        detail = f"{detail[:100]} … {detail[-50:]}"
    wanted = str(getattr(error.kind, "format", "")) if rule == "format" else ""
    return Problem(_path(path), detail, _ADVICE.get(f"{rule}:{wanted}" if wanted else rule, ""))


def _path(steps: list) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.lstrip(".")[:200] or "document"


def _source_problems(source: str) -> list[Problem]:
    text = source.strip()
    if not text:
        return [Problem("source_identifier", "is empty", "name the address, domain or URL of the source")]
    if not (text[-1] in "0123456789xX*" or ":" in text) or address_of(text) is not None:
        return []
    if _LOOKS_LIKE_AN_ADDRESS.match(source.strip()):
        return [Problem("source_identifier", f"{source[:60]!r} is not an IP address", "write one IPv4 or IPv6 address, unmasked")]
    return []


def _examine_evidence(item: dict, where: str, problems: list[Problem], doubts: list[Problem]) -> None:
    payload = item.get("payload")
    if not isinstance(payload, str):
        return
    content = decoded(payload)
    if content is None:
        problems.append(Problem(f"{where}.payload", "is not base64 (RFC 4648)", "encode the evidence as base64 with padding"))
        return
    if len(content) > MAX_EVIDENCE_ITEM:
        problems.append(
            Problem(f"{where}.payload", f"holds {len(content)} bytes", f"keep each item within {MAX_EVIDENCE_ITEM} bytes")
        )
    size = item.get("size")
    if isinstance(size, int) and size != len(content):
        doubts.append(
            Problem(
                f"{where}.size", f"says {size} bytes, the payload has {len(content)}", "send the whole payload, or correct the size"
            )
        )
    stated = item.get("hash")
    if isinstance(stated, str):
        doubts += _hash_doubts(stated, content, f"{where}.hash")


def _hash_doubts(stated: str, content: bytes, where: str) -> list[Problem]:
    algorithm, _, digest = stated.partition(":")
    digits = _DIGESTS.get(algorithm)
    if digits is None:
        return []  # the schema's pattern has said so already
    if len(digest) != digits:
        return [Problem(where, f"has {len(digest)} digits, {algorithm} has {digits}", "hash the decoded payload")]
    if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != digest.lower():
        return [Problem(where, "is not the hash of the payload", "hash the decoded payload, and send it unchanged")]
    return []


def decoded(payload: str) -> bytes | None:
    """Strict base64 (line breaks allowed), None where it is not."""
    try:
        return binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError):
        pass
    try:
        return binascii.a2b_base64("".join(payload.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return None
