"""What records of NetBox's REST API must look like to be read (NetBox 3 and 4, serializers of ipam and tenancy). Pure.

A reading of NetBox is a complete list: what it leaves out has ended. So a record that cannot be read is not passed over; the whole
answer is refused, each wrong field named, and nothing changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tipstaff.kernel.errors import InputError, Problem

MOST_TOLD = 20
Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _fields(value: Any) -> bool:
    return isinstance(value, Mapping)


def _choice(value: Any) -> bool:
    return isinstance(value, str) or (_fields(value) and isinstance(value.get("value"), str | None))


def _linked(*needed: str) -> Check:
    """An object that stands for another one, with these fields of it."""
    checks = {"id": _number, "name": _text, "slug": _text}
    return lambda value: _fields(value) and all(checks[name](value.get(name)) for name in needed)


def _or_nothing(check: Check) -> Check:
    return lambda value: value is None or check(value)


def selected(value: Any) -> Any:
    """The value of a custom field: a selection is ``{"value": …, "label": …}`` from NetBox 4.7 on, and bare before."""
    return value["value"] if isinstance(value, Mapping) and value.keys() == {"value", "label"} else value


_HOLDING: dict[str, Check] = {
    "tenant": _or_nothing(_linked("id", "name")), "vrf": _or_nothing(_linked("name")), "status": _or_nothing(_choice),
    "custom_fields": _or_nothing(_fields), "dns_name": _or_nothing(_text),
}  # fmt: skip
#: endpoint → field → what it must be; a field that may be left out may be None
SHAPES: Mapping[str, Mapping[str, Check]] = {
    "tenancy/tenant-groups": {"id": _number, "name": _text, "parent": _or_nothing(_linked("id"))},
    "tenancy/tenants": {
        "id": _number, "name": _text, "slug": _or_nothing(_text), "group": _or_nothing(_linked("id")),
        "custom_fields": _or_nothing(_fields),
    },
    "tenancy/contacts": {
        "id": _number, "name": _or_nothing(_text), "email": _or_nothing(_text), "phone": _or_nothing(_text),
        "custom_fields": _or_nothing(_fields),
    },
    "tenancy/contact-assignments": {
        "id": _number, "object_id": _number, "contact": _linked("id"), "object_type": _or_nothing(_text),
        "content_type": _or_nothing(_text), "role": _or_nothing(_linked("slug")), "priority": _or_nothing(_choice),
    },
    "ipam/aggregates": {"prefix": _text, "description": _or_nothing(_text)},
    "ipam/prefixes": {"prefix": _text, "description": _or_nothing(_text), **_HOLDING},
    "ipam/ip-ranges": {"start_address": _text, "end_address": _text, **_HOLDING},
    "ipam/ip-addresses": {"address": _text, **_HOLDING},
}  # fmt: skip


def refuse_others(answers: Mapping[str, Sequence[Any]], custom: Iterable[str]) -> None:
    """Raise InputError naming endpoint, record and field of what is none of NetBox's. ``custom``: custom fields that are read."""
    names = frozenset(custom)
    problems: list[Problem] = []
    for endpoint, shape in SHAPES.items():
        for number, record in enumerate(answers.get(endpoint, ()), 1):
            problems += _wrong(f"{endpoint}, record {number}", record, shape, names)
            if len(problems) >= MOST_TOLD:
                raise InputError(problems[:MOST_TOLD])
    if problems:
        raise InputError(problems)


def _wrong(where: str, record: Any, shape: Mapping[str, Check], custom: frozenset[str]) -> Iterator[Problem]:
    advice = "nothing was changed; is this NetBox 3 or later, and does no plug-in change its answers?"
    if not _fields(record):
        yield Problem(where, "is no object", advice)
        return
    for name, check in shape.items():
        if not check(record.get(name)):
            yield Problem(f"{where}, {name}", f"{str(record.get(name))[:60]!r} is not what NetBox's REST API has there", advice)
    extra = record.get("custom_fields")
    for name in sorted(custom & extra.keys()) if _fields(extra) else ():
        if isinstance(selected(extra[name]), list | dict):
            what = "holds a list or an object, where one value is needed"
            yield Problem(f"{where}, custom field {name}", what, "choose a field of text, date, number or selection")
