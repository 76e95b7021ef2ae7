"""What the address registries say: which server knows an address (RFC 9224), and whom to write to about it (RFC 9083). Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from typing import Any

from tipstaff.kernel.errors import ParseError

Network = IPv4Network | IPv6Network
MAX_DEPTH = 4  # entities within entities
MAX_ADDRESS = 254  # characters of a mail address (RFC 5321, 4.5.3.1.3)


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered network: its prefixes, its name, and where complaints about it go ("" where none is given)."""

    prefixes: tuple[Network, ...]
    handle: str
    name: str
    abuse_contact: str
    redacted: bool  # the registry says that it holds back a contact (RFC 9537)


def servers(bootstrap: Mapping[str, Any]) -> list[tuple[Network, str]]:
    """(prefix, base URL over https) of a bootstrap file, longest prefixes first. Raises ParseError where it is none."""
    services = bootstrap.get("services") if isinstance(bootstrap, Mapping) else None
    if not isinstance(services, list):
        raise ParseError("services", "the bootstrap file lists no services", "fetch IANA's ipv4.json and ipv6.json (RFC 9224)")
    found = []
    for position, entry in enumerate(services):
        try:
            prefixes, urls = entry[0], [url for url in entry[1] if url.startswith("https://")]
            found += [(ip_network(prefix), urls[0].rstrip("/") + "/") for prefix in prefixes if urls]
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise ParseError(f"services[{position}]", f"is not understood: {error}") from None
    return sorted(found, key=lambda row: -row[0].prefixlen)


def server_of(address: str, known: list[tuple[Network, str]]) -> str | None:
    """The base URL of the registry that knows ``address``: the longest prefix wins."""
    asked = ip_address(address)
    return next((url for prefix, url in known if prefix.version == asked.version and asked in prefix), None)


def read(document: Any, asked: str) -> Registered:
    """An answer of class "ip network". Raises ParseError where it is another thing or does not cover what was asked."""
    if not isinstance(document, Mapping) or document.get("objectClassName") != "ip network":
        raise ParseError("objectClassName", "is not 'ip network'")
    try:
        first, last = (ip_address(str(document[key])) for key in ("startAddress", "endAddress"))
        prefixes: tuple[Network, ...] = tuple(summarize_address_range(first, last))  # type: ignore[type-var, arg-type]
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError("startAddress", f"the range is not understood: {error}") from None
    wanted = ip_address(asked)
    if not any(wanted.version == prefix.version and wanted in prefix for prefix in prefixes):
        raise ParseError("startAddress", f"the range does not cover {asked}")
    entities = list(_entities(document, 0))
    contact = next((mail for roles, mail in entities if "abuse" in roles and mail), "")
    text = {key: str(document.get(key) or "")[:200] for key in ("handle", "name")}
    return Registered(prefixes, text["handle"], text["name"], contact, bool(document.get("redacted")))


def _entities(holder: Mapping[str, Any], depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """(roles, mail address) of every entity; registries nest the abuse contact below the registrant."""
    entities = holder.get("entities")
    for entity in entities if isinstance(entities, list) and depth < MAX_DEPTH else ():
        if isinstance(entity, Mapping):
            roles = entity.get("roles")
            words = tuple(str(role).lower() for role in roles) if isinstance(roles, list) else ()
            yield words, _mail(entity.get("vcardArray"))
            yield from _entities(entity, depth + 1)


def _mail(vcard: Any) -> str:
    """The preferred mail address of a jCard (RFC 7095)."""
    rows = vcard[1] if isinstance(vcard, list) and len(vcard) > 1 and isinstance(vcard[1], list) else []
    mails = [row for row in rows if isinstance(row, list) and len(row) >= 4 and row[0] == "email" and _is_mail(row[3])]
    mails.sort(key=lambda row: _preference(row[1]))
    return mails[0][3] if mails else ""


def _preference(parameters: Any) -> int:
    word = str(parameters.get("pref", "")) if isinstance(parameters, Mapping) else ""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 4 else 100


def _is_mail(text: Any) -> bool:
    if not isinstance(text, str) or not 3 <= len(text) <= MAX_ADDRESS or text.count("@") != 1:
        return False
    local, _, domain = text.partition("@")
    return bool(local) and "." in domain and text.isprintable() and not set(text) & set(" <>\"'(),;:\\")
