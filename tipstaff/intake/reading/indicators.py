"""Addresses, URLs, domains and mailboxes in untrusted text, defanged or not. RE2 throughout: time grows with length only."""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from tipstaff.intake.reading.defanging import DOT_WORD, REFANG_AT, refang
from tipstaff.intake.reading.patterns import pattern, spans

MAX_TEXT = 1_000_000  # characters that are ever searched
MAX_URL = 4_096  # characters of one URL that are kept
MAX_CANDIDATES = 15_000  # places of one text that are looked at more closely
MAX_FOUND = 20_000  # findings of one kind in one text


def _utf8(text: str):
    return pattern(text.encode(), utf8=True)


_DOT = r"(?:\.|\s?\[\.\]\s?|\s?\(\.\)\s?|\s?\{\.\}\s?|\s?[\[({]" + DOT_WORD + r"[\])}]\s?|\[\.|\.\]|\\\.)"
#: The same in a text whose letters beyond ASCII are ``?``; between numbers the word may stand without brackets.
_V4_DOT = _DOT.replace("точка|点|點|ドット", r"\?{1,5}")[:-1] + r"|\s(?:dot|punkt|punto|point|ponto|kropka|punt)\s)"
_V4 = pattern(rf"(?i)\d{{1,3}}(?:{_V4_DOT}\d{{1,3}}){{3,5}}".encode())
_BARE_DOT = pattern(rf"(?i)\s{DOT_WORD}\s")
_V6 = pattern(rb"(?i)[0-9a-f]{0,4}(?:\[?:\]?[0-9a-f]{0,4}){2,8}(?::\d{1,3}(?:\.\d{1,3}){3}|(?:\.\d{1,3}){3})?")
_SCHEME = r"(?:h(?:tt|xx|XX|\*\*|tX|xt|__)ps?|meows?|f(?:t|x)ps?|sftp)"
_URL = _utf8(
    rf"(?i){_SCHEME}\s?(?:\[:\]//|\[://\]|\(:\)//|\[:\]\[/\]\[/\]|:\\?/\\?/|:\[//\]|\[:\\?/\\?/\]|__|\]:\[//)"
    r"[^\s<>\"'`|^\x00-\x1f\x{3000}-\x{3002}\x{ff08}\x{ff09}\x{ff0c}\x{ff1b}\x{201c}\x{201d}\x{ab}\x{bb}]+"
)
_LABEL = r"[0-9A-Za-z\x{a1}-\x{2fff}\x{3040}-\x{fefe}_-]+"
_GLUED = pattern(r"[),;]|[\x{3040}-\x{30ff}\x{4e00}-\x{9fff}]")
_SENTENCE = pattern(r"[),;:!?][\x{3040}-\x{30ff}\x{4e00}-\x{9fff}]")
_NEXT = pattern(r"(?i)[^\x00-\x7f]\S*[:,;)]((?:https?|hxxps?|ftp)(?:\[:\]|:)//)")
_DOMAIN = _utf8(rf"(?:{_LABEL})(?:{_DOT}{_LABEL})+")
_AT = r"(?:@|\s?\[at\]\s?|\s?\(at\)\s?|\s?\{at\}\s?|\[@\]|\(@\))"
_MAILBOX = _utf8(rf"(?i)[0-9A-Za-z.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}{_AT}[0-9A-Za-z-]{{1,63}}(?:{_DOT}[0-9A-Za-z-]{{1,63}}){{1,10}}")
_NETWORK = _utf8(r"(?i)[0-9a-f:.\[\]]{3,60}/\d{1,3}")
_DOCUMENTED = (".example", ".test")  # names of examples and tests, read as any other (RFC 2606 section 2)
#: Endings that are top-level domains and far more often file names.
_FILE_ENDINGS = frozenset(["zip", "mov", "py", "md", "sh", "pl", "rs", "ps"])


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: ``value`` in its normal form, ``text[start:end]`` is ``as_written``."""

    value: str
    start: int
    end: int
    as_written: str


def normal_ip(text: str | None) -> str | None:
    """One address in its normal text, or None for anything that is not exactly one (masked, impossible, a network).

    ``[192.0.2.1]`` and ``[IPv6:2001:db8::1]`` (RFC 5321) are read; ``::ffff:192.0.2.1`` becomes IPv4; a zone (%eth0) is dropped.
    """
    text = (text or "").strip().strip("[]()<>\"' ,;")
    if not 2 <= len(text) <= 64:
        return None
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    text = text.partition("%")[0]
    if text.count(":") < 2 and (text.count(".") != 3 or not (text[0].isdigit() and text[-1].isdigit())):
        return None  # most texts asked about are names: no need to try both families on them
    return _address(text)


@lru_cache(maxsize=20_000)
def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def find_addresses(text: str) -> list[Found]:
    """Every single IPv4 and IPv6 address, in reading order. Networks (``/24``), five octets, masked parts and versions glued to
    letters are not addresses and are left out."""
    text = text[:MAX_TEXT]
    flat = text.encode("ascii", "replace")
    found = [hit for span in _spans(_V4, flat) if (hit := _v4(text, *span))]
    if flat.count(b":") > 1:
        found += [hit for span in _spans(_V6, flat) if (hit := _v6(text, *span))]
        found.sort(key=lambda hit: hit.start)
    return found


def find_networks(text: str) -> list[Found]:
    """Every ``address/length`` with a length that is not a single address; the value is the network (host bits cleared)."""
    found = []
    text = text[:MAX_TEXT]
    for start, end in spans(_NETWORK, text, MAX_CANDIDATES):
        written = text[start:end]
        if _before(text, start).isalnum() or _after(text, end)[:1] in (".", ":") or "/" in _before(text, start):
            continue
        try:
            network = ipaddress.ip_network(refang(written).lstrip(":"), strict=False)
        except ValueError:
            continue
        if network.num_addresses > 1:
            found.append(Found(str(network), start, end, written))
    return found[:MAX_FOUND]


def _spans(form, flat: bytes) -> list[tuple[int, int]]:
    spans = []
    for match in form.finditer(flat):
        spans.append(match.span())
        if len(spans) >= MAX_FOUND:
            break
    return spans


def _before(text: str, start: int) -> str:
    return text[start - 1] if start else ""


def _after(text: str, end: int) -> str:
    return text[end : end + 6]


def _v4(text: str, start: int, end: int) -> Found | None:
    written = text[start:end]
    plain = written.isascii() and written.replace(".", "").isdigit()
    value = normal_ip(written if plain else refang(_BARE_DOT.sub(".", written)).replace(" ", ""))
    before, after = _before(text, start), _after(text, end)
    if value is None or (before.isalnum() and before.isascii()) or (before in "._-" and before) or _goes_on(after):
        return None
    if before == ":" and text[max(0, start - 8) : start].lower().endswith((":ffff:", "::")):
        return None  # the tail of an IPv6 address: found as such
    if _is_masked(text, before, after) or _is_network(text, start, after):
        return None
    return Found(value, start, end, written)


def _goes_on(after: str) -> bool:
    """Whether the number continues: more octets, letters glued on, or a host name that begins with the address."""
    if not after:
        return False
    if (after[0].isalnum() and after[0].isascii()) or after[0] == "_":
        return True
    return (
        after[0] in ".-"
        and len(after) > 1
        and after[1].isalnum()
        and after[1].isascii()
        and (after[0] == "." or after[1].isalpha())
    )


def _is_masked(text: str, before: str, after: str) -> bool:
    return (after[:1] == "*" and after[1:2] == "*") or after[:2] in (".x", ".*")


def _is_network(text: str, start: int, after: str) -> bool:
    if after[:1] != "/" or text[max(0, start - 2) : start] == "//":
        return False
    digits = len(after[1:3]) - len(after[1:3].lstrip("0123456789"))
    if not digits or int(after[1 : 1 + digits]) >= 32:
        return False
    more, next_one = after[1 + digits : 2 + digits], after[2 + digits : 3 + digits]
    return not (more.isalnum() or more in ("/", "?") or (more == "." and next_one.isalnum()))


def _v6(text: str, start: int, end: int) -> Found | None:
    if text[max(0, start - 3) : start + 2].lower() == "ipv6:":
        start += 2  # the tag of an address literal (RFC 5321 section 4.1.3)
    written = text[start:end].rstrip(":.") if not text[start:end].endswith("::") else text[start:end]
    if written.startswith(":") and not written.startswith("::"):
        start, written = start + 1, written[1:]
    end = start + len(written)
    clean = written.replace("[:]", ":").replace("]", "").replace("[", "")
    groups = clean.split(":")
    if len(groups) < 3 or not any(c.isdigit() for c in clean) or ("::" not in clean and all(len(group) == 2 for group in groups)):
        return None  # a clock, a MAC address or EUI-64
    before, after = _before(text, start), _after(text, end)
    if (
        (before.isalnum() and before.isascii())
        or (before in ("_", ".") and before)
        or (after[:1].isalnum() and after[:1].isascii())
        or after[:1] == "_"
        or len(clean) < 5
    ):
        return None
    if after[:1] == "/" and after[1:2].isdigit() and not after[1:4].startswith("128"):
        return None
    value = normal_ip(clean)
    return Found(value, start, end, written) if value else None


_PAIRS = {")": "(", "]": "[", "}": "{", ">": "<"}


def find_urls(text: str) -> list[Found]:
    """Every http, https and ftp URL, defanged ones too; the value is in normal form, punctuation of the sentence cut off."""
    text = text[:MAX_TEXT]
    if "//" not in text and "/]" not in text and "__" not in text and "\\/" not in text:
        return []
    found: list[Found] = []
    for start, end in _apart(text, spans(_URL, text, MAX_CANDIDATES)):
        written = _trim(text[start : min(end, start + MAX_URL)])
        if start and text[start - 1].isalnum() and text[start - 1].isascii():
            continue
        if cut := _SENTENCE.search(written):
            written = _trim(written[: cut.start()])
        value = normal_url(refang(written))
        if value is None and (cut := _GLUED.search(written)):  # running text without blanks goes on behind it
            written = _trim(written[: cut.start()])
            value = normal_url(refang(written))
        if value:
            found.append(Found(value, start, start + len(written), written))
            if len(found) >= MAX_FOUND:
                break
    return found


def _apart(text: str, found: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each span; where text without blanks glues a second URL to the first (not as its path or parameter), both."""
    for start, end in found:
        inner = _NEXT.search(text[start + 6 : end]) if end - start < MAX_URL else None
        if inner:
            at = start + 6 + inner.start(1)
            yield start, at
            yield at, end
        else:
            yield start, end


def _trim(written: str) -> str:
    while written:
        last = written[-1]
        if last in ".,;:!?*\u2026'\"" or (last in _PAIRS and written.count(last) > written.count(_PAIRS[last])):
            written = written[:-1]
        else:
            return written
    return written


def normal_url(text: str | None) -> str | None:
    """A URL with scheme and host in lower case and the path as written; None where there is no scheme or no possible host."""
    text = refang((text or "").strip())[:4096]
    scheme, mark, rest = text.partition("://")
    scheme = scheme.lower()
    if not mark or not scheme.isalnum() or not rest or len(rest.split(None, 1)) != 1 or rest[-1:].isspace():
        return None
    cut = min((i for i in (rest.find("/"), rest.find("?"), rest.find("#")) if i >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    login, at, host = authority.rpartition("@")
    host = host.replace("\\", "")
    name, _, port = (
        host.rpartition(":") if host.rpartition(":")[2].isdigit() and "]" not in host.rpartition(":")[2] else (host, "", "")
    )
    bare = normal_ip(name) or normal_domain(name) or _local_name(name)
    if not bare:
        return None
    bare = f"[{bare}]" if ":" in bare else bare
    return f"{scheme}://{login}{at}{bare}{':' + port if port else ''}{path}"


def _local_name(name: str) -> str | None:
    low = name.lower()
    return low if low and low.replace("-", "").replace("_", "").isalnum() and low.isascii() and not low.isdigit() else None


def host_of(url: str) -> str | None:
    """The host of a normal URL, without brackets or port."""
    authority = url.partition("://")[2].split("/", 1)[0].split("?", 1)[0].split("#", 1)[0].rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0] or None


@lru_cache(maxsize=1)
def _suffixes():
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=False)


@lru_cache(maxsize=20_000)
def _has_known_suffix(domain: str) -> bool:
    return domain.endswith(_DOCUMENTED) or bool(_suffixes()(domain).top_domain_under_public_suffix)


def registered_domain(domain: str) -> str | None:
    """The name under the public suffix (``a.b.example.co.uk`` → ``example.co.uk``), None where there is none."""
    return _registered(domain) if len(domain) <= 253 else _suffixes()(domain).top_domain_under_public_suffix or None


@lru_cache(maxsize=20_000)
def _registered(domain: str) -> str | None:
    return _suffixes()(domain).top_domain_under_public_suffix or None


def normal_domain(text: str | None) -> str | None:
    """A host or domain name in lower case as A-labels without the trailing dot; None where it cannot be one.

    At least two labels of 1..63 characters, at most 253 in all, the last one not numeric (RFC 1035, RFC 5890).
    """
    text = text or ""
    return _normal_domain(text) if len(text) < 300 else _read_domain(text)


def _read_domain(text: str) -> str | None:
    text = refang(text.strip().strip("\"'<>()[] ,;")).rstrip(".").lower()
    if not 3 <= len(text) <= 253 or "." not in text:
        return None
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except (UnicodeError, ValueError):
            return None
    labels = text.split(".")
    good = all(0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() and label[0] != "-" for label in labels)
    return text if good and not labels[-1].isdigit() and len(labels[-1]) > 1 else None


_normal_domain = lru_cache(maxsize=20_000)(_read_domain)


def find_domains(text: str) -> list[Found]:
    """Bare domain names with a public suffix, defanged ones too; not hosts of URLs and mailboxes, nor file names."""
    text = text[:MAX_TEXT]
    found: list[Found] = []
    taken = sorted((f.start, f.end) for f in (*find_urls(text), *find_mailboxes(text)))
    index = 0
    for start, end in spans(_DOMAIN, text, MAX_CANDIDATES):
        while index < len(taken) and taken[index][1] <= start:
            index += 1
        if index < len(taken) and taken[index][0] < end:
            continue
        written = text[start:end].rstrip(".")
        if written[-1:].isdigit() and written.rpartition(".")[2].isdigit():
            continue
        if text[max(0, start - 1) : start] in ("@", "/", "\\", "=") or text[end : end + 1] in ("@", "(", "_"):
            continue
        value = normal_domain(written)
        if value and _is_domain(value, written):
            found.append(Found(value, start, end, written))
            if len(found) >= MAX_FOUND:
                break
    return found


def _is_domain(value: str, written: str) -> bool:
    if value.rpartition(".")[2] in _FILE_ENDINGS and written.lower() == value:
        return False
    if value.endswith(".xxx") and value.replace("xxx", "").replace(".", "").isdigit():
        return False  # a masked address
    return any(c.isalpha() for c in value) and _has_known_suffix(value)


def _has_written_at(low: str) -> bool:
    return "at]" in low or "at)" in low or "at}" in low


def find_mailboxes(text: str) -> list[Found]:
    """Every mail address; the value has the domain in lower case and the local part as written."""
    text = text[:MAX_TEXT]
    if "@" not in text and not _has_written_at(text.lower()):
        return []
    found: list[Found] = []
    for start, end in spans(_MAILBOX, text, MAX_CANDIDATES):
        local, _, domain = REFANG_AT.sub("@", text[start:end]).rpartition("@")
        host = normal_domain(domain)
        if host and local and not local.startswith("."):
            found.append(Found(f"{local}@{host}", start, end, text[start:end]))
            if len(found) >= MAX_FOUND:
                break
    return found
