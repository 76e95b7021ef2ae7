# ruff: noqa: E501, SIM905 - lists of words read better whole
"""Rows of evidence that no program's grammar explains: tables under a heading, JSON over several lines, pairs of sockets.

A heading names its columns in any of the languages; a row is read only where its cells fit the heading, so nothing is guessed.
"""

import json
from collections.abc import Iterator
from datetime import datetime

from tipstaff.intake.reading.indicators import normal_ip, refang
from tipstaff.intake.reading.loglines import LogLine, from_fields, may_be_log_line, time_of
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import MAX_TEXT, fold
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.times import Moment, read_time

MAX_ROWS = 5_000
MAX_OBJECT = 60  # lines of a JSON object that is put together

_SOURCE = (
    "id.orig_h|orig_h|src|source|src ip|src_ip|srcip|source ip|source_ip|sourceip|source address|source host|src addr|srcaddr|src address|saddr|attacker|attacker ip|attacking ip|attacking host|offender|"
    "offending ip|abuser|abusive ip|origin|origin ip|originating ip|remote|remote ip|remote host|remote address|client|client ip|peer|from|from ip|reflector|amplifier|bot|bot ip|infected ip|scanner|"
    "quelle|quell-ip|quelladresse|quell-adresse|quelle ip|absender-ip|angreifer|angreifer-ip|angreifende ip|von|source ip adresse|ip source|adresse source|adresse ip source|attaquant|ip attaquante|origine|"
    "ip d'origine|origen|ip origen|ip de origen|dirección origen|atacante|ip atacante|ip del atacante|sorgente|ip sorgente|indirizzo sorgente|ip di origine|attaccante|ip attaccante|bron|bron-ip|bronadres|"
    "bron ip|aanvaller|ip aanvaller|źródło|ip źródłowe|źródłowy ip|adres źródłowy|adres źródła|atakujący|atakujące ip|origem|ip origem|ip de origem|endereço de origem|источник|ip источника|ip-источник|"
    "адрес источника|атакующий|ip атакующего|源|源ip|源地址|源 ip|攻击ip|攻击源|攻击源ip|攻击者|攻击者ip|来源ip|来源|送信元|送信元ip|送信元アドレス|送信元 ip|攻撃元|攻撃元ip|攻撃元アドレス|接続元|接続元ip"
)
_TARGET = (
    "id.resp_h|resp_h|dst|dest|destination|dst ip|dst_ip|dstip|dest ip|destination ip|destination address|dst addr|dstaddr|dst address|daddr|target|target ip|target host|victim|victim ip|our ip|our host|local|local ip|"
    "local address|server|to|sensor|sensor ip|honeypot|ziel|ziel-ip|zieladresse|ziel-adresse|ziel ip|opfer|nach|cible|ip cible|adresse cible|destinataire|ip destination|ip de destination|victime|"
    "destino|ip destino|ip de destino|dirección destino|víctima|objetivo|destinazione|ip destinazione|ip di destinazione|indirizzo destinazione|vittima|bersaglio|doel|doel-ip|doeladres|bestemming|slachtoffer|"
    "cel|ip docelowe|adres docelowy|ofiara|endereço de destino|vítima|alvo|цель|назначение|ip назначения|адрес назначения|жертва|目标|目的|目标ip|目的ip|目标地址|目的地址|受害ip|宛先|宛先ip|宛先アドレス|攻撃先|接続先"
)
_SPORT = (
    "id.orig_p|orig_p|sport|spt|src port|src_port|srcport|source port|source_port|sourceport|src pt|quell-port|quellport|port source|puerto origen|puerto de origen|porta origine|porta sorgente|porta di origine|bronpoort|"
    "port źródłowy|porta origem|porta de origem|исходный порт|порт источника|源端口|来源端口|送信元ポート|client port|remote port"
)
_DPORT = (
    "id.resp_p|resp_p|dport|dpt|dst port|dst_port|dstport|dest port|destination port|target port|service port|ziel-port|zielport|port cible|port destination|port de destination|puerto destino|puerto de destino|porta destinazione|"
    "porta di destinazione|doelpoort|port docelowy|porta destino|porta de destino|порт назначения|目标端口|目的端口|宛先ポート"
)
_TIME = (
    "at|occurred_at|observed_at|seen|detected|detected_at|time|timestamp|date|datetime|date/time|date time|time (utc)|timestamp (utc)|utc|first seen|first_seen|firstseen|first|start|started|when|ts|epoch|last seen|last_seen|event time|zeit|zeitpunkt|zeitstempel|datum|"
    "uhrzeit|datum/zeit|datum/uhrzeit|heure|horodatage|date/heure|date heure|fecha|hora|fecha/hora|fecha y hora|data|ora|data/ora|data e ora|orario|tijd|tijdstip|datum/tijd|czas|data i czas|data/hora|data e hora|"
    "horário|время|дата|дата и время|дата/время|时间|日期|时间戳|日時|時刻|日付"
)
_PROTO = "proto|protocol|protokoll|protocole|protocolo|protocollo|protokół|протокол|协议|プロトコル"
_PORT = "port|ports|puerto|porta|porte|poort|порт|端口|ポート"
#: Columns of addresses that do not say whose: where a table has no other column of addresses, it lists the accused.
_LISTED = frozenset(
    (
        "ip|ips|ip address|ip-address|ip_address|ipaddress|ip addr|ip adresse|ip-adresse|adresse ip|dirección ip|direccion ip|indirizzo ip|adres ip|ip-adres|endereço ip|ip-адрес|ip адрес|адрес|address|addr|host|hosts|host ip|"
        "indicator|ioc|observable|ip地址|ip 地址|地址|ipアドレス|ip アドレス|アドレス|ipv4|ipv6|ipv4/ipv6|resolver|endpoint|node|device|infected host|server ip|machine|adresse|adres|indirizzo|endereço|dirección|ip/port|ip:port"
    ).split("|")
)
_W3C = {"c-ip": "src", "s-ip": "dst", "c-port": "sport", "s-port": "dport", "date": "day", "time": "clock"}
_NAMED = {
    word: role
    for role, words in (
        ("src", _SOURCE),
        ("dst", _TARGET),
        ("sport", _SPORT),
        ("dport", _DPORT),
        ("time", _TIME),
        ("proto", _PROTO),
        ("port", _PORT),
    )
    for word in words.split("|")
}
_PAIR = pattern(
    r"(?:^|[\s\[(=])(?P<src>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\])[:/](?P<sport>\d{1,5})(?:[\s,;]+|\s+(?:to|dst|an|vers|a|naar|do|для)\s+)(?P<dst>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]{2,45}\])[:/](?P<dport>\d{1,5})(?:[^\d.:]|$)"
)
_SIDE = {
    **dict.fromkeys(
        "src source sources attacker attackers offender offending origin originating remote client peer scanner bot quelle quell angreifer attaquant origine origen atacante sorgente sorg orig attaccante bron aanvaller źródło źródłowy źródłowe atakujący origem источник источника атакующий".split(),
        "src",
    ),
    **dict.fromkeys(
        "dst dest destination target victim local sensor honeypot ziel opfer cible victime destino víctima objetivo destinazione vittima bersaglio doel slachtoffer cel docelowy docelowe ofiara vítima alvo цель назначения жертва".split(),
        "dst",
    ),
}
_PORT_WORDS = frozenset("port ports puerto porta porte poort порт порта".split())
_HOST_WORDS = frozenset(
    "ip ips ipv4 ipv6 address addr host adresse adres adress indirizzo dirección endereço адрес ip-adresse addresses".split()
)
_APART = str.maketrans(dict.fromkeys(" \n|\t;,_-.()'\"`*:[]<>", " "))
#: Of each name of the source's column its words, those aside that stand with other columns as well: one of these is in a heading.
_SOURCE_WORDS = frozenset(
    word
    for name in (*(one for one, role in _NAMED.items() if role == "src"), *(one for one, side in _SIDE.items() if side == "src"))
    for word in name.translate(_APART).split()
) - {"ip", "address", "host", "addr", "adresse", "adres", "indirizzo", "dirección", "endereço", "de", "d", "di", "del"}
_LIST_WORDS = frozenset(word for name in _LISTED for word in name.translate(_APART).split()) - {
    "server",
    "machine",
    "node",
    "device",
    "host",
    "hosts",
    "address",
    "adresse",
} | {"address"}
_BESIDE_WORDS = frozenset(
    word for name, role in _NAMED.items() if role in ("time", "port", "proto") for word in name.translate(_APART).split()
) - {"at", "when", "y", "e", "и"}
_ALLOWED = pattern(
    r"(?i)(?:^|[\s;,|\t\"=])(?:allow(?:ed)?|accept(?:ed)?|permit(?:ted)?|pass(?:ed)?|success(?:ful)?|consentito|permitido|permesso|autorisé|erlaubt|zugelassen|toegestaan|zezwolono|dozwolone|разрешено|允许|許可)(?:[\s;,|\t\"]|$)"
)
_OPENS = pattern(r"^[^{}\"]{0,40}\{\s*$|^\s*\{\s*\"[^{}]*$")
Heading = tuple[str, list[str]]


def rows_of(lines: list[Line], zone: str | None, reference: datetime | None) -> Iterator[tuple[Line, LogLine]]:
    """Each row that names who came, with its line. ``zone`` and ``reference`` as for ``read_log_line``."""
    heading: Heading | None = None
    whole = "\n".join(line.text for line in lines)
    may_head = len(whole) > MAX_TEXT or _may_head(whole)
    index = read = 0
    while index < len(lines) and read < MAX_ROWS:
        line = lines[index]
        index += 1
        if heading is None and not may_head and not may_be_log_line(line.text):
            continue
        text = line.text.lstrip("> ")
        if text.startswith("{") and line.zone is not Zone.LOG:
            records, behind = _object(lines, index - 1)
            if records:
                read, index = read + len(records), behind
                yield from ((line, entry) for entry in records)
                continue
        if line.zone in (Zone.LOG, Zone.HEADERS, Zone.FORWARD, Zone.WHOIS, Zone.TRACE) or not text.strip(" -=+|\t:"):
            continue
        if not _has_address(text):
            found, index = _object(lines, index - 1) if "{" in text else ([], index)
            if found:
                read += len(found)
                yield from ((line, entry) for entry in found)
                continue
            heading = (_heading(text) if may_head else None) or (heading if heading is not None and _is_rule(text) else None)
            continue
        row = (_row(text, heading, zone, reference) if heading is not None else None) or _pair(text, zone, reference)
        if row is not None:
            read += 1
            yield line, row


def _has_address(text: str) -> bool:
    if not may_be_log_line(text):
        return False
    return any(c.isdigit() for c in text) and any(
        _cell_ip(word) for word in text.replace("|", " ").replace(",", " ").replace(";", " ").split()[:40]
    )


def _cell_ip(cell: str) -> str | None:
    """The address of a cell that holds nothing else (a port or a prefix length of one host may stand behind it)."""
    cell = refang(cell.strip(" \t\"'`()<>*"))
    if not cell or not (cell[0].isdigit() or ":" in cell or cell[0] == "["):
        return None
    return normal_ip(cell.strip("[]")) or normal_ip(cell.partition("/32")[0]) or (_socket(cell) or (None, ""))[0]


def _socket(cell: str) -> tuple[str, str] | None:
    host, _, port = cell.rpartition(":")
    ip = normal_ip(host.strip("[]")) if port.isdigit() and (host.count(".") == 3 or host[:1] == "[") else None
    return (ip, port) if ip else None


def _is_rule(text: str) -> bool:
    return not any(c.isalnum() for c in text)


def _may_head(text: str) -> bool:
    """Whether the words of a heading are in it: the source's column, or one of addresses beside one of times or ports."""
    words = set(fold(text).translate(_APART).split())
    if not _SOURCE_WORDS.isdisjoint(words) or "#Fields:" in text:
        return True
    return not _LIST_WORDS.isdisjoint(words) and not _BESIDE_WORDS.isdisjoint(words)


def _w3c(text: str) -> Heading | None:
    """The fields of a W3C extended log, as web servers of one house write it (W3C WD-logfile-960323)."""
    roles = [_W3C.get(name, "") for name in text.partition(":")[2].split()]
    return (" ", roles) if {"src", "day", "clock"} <= set(roles) else None


def _heading(text: str) -> Heading | None:
    """The style and the columns' roles, where one column is the source's by name, or the only one of addresses."""
    if text.lower().startswith("#fields:") and (found := _w3c(text)):
        return found
    text = text.strip().lstrip("#").strip().removeprefix("fields").lstrip()
    if len(text) > 300 or text.endswith((".", "!", "?")) or not _may_head(text):
        return None
    for style in ("|", "\t", ";", ",", "  ", " "):
        if style not in text:
            continue
        roles = _named_words(text) if style == " " else [_role(cell) for cell in split(text, style)]
        roles = _ports_beside(_listing(roles))
        if (
            len(roles) >= 2
            and roles.count("src") == 1
            and ((style in ("|", "  ") and len(roles) >= 3) or sum(map(bool, roles)) >= 2)
            and (style != " " or all_named(roles))
        ):
            return style, roles
    return None


def _role(cell: str) -> str:
    """What a column holds, by its name: as a whole, else by a word for the side and one for the thing (``Port src``)."""
    name = fold(cell.strip(" \"'`*:()[]<>")).strip()
    if name in _NAMED:
        return _NAMED[name]
    if name in _LISTED:
        return "listed"
    words = (
        name.replace("_", " ")
        .replace("-", " ")
        .replace(".", " ")
        .replace("(", " ")
        .replace(")", " ")
        .replace("'", " ")
        .replace("/", " ")
        .split()
    )
    side = next((_SIDE[word] for word in words if word in _SIDE), "")
    if side and len(words) <= 4:
        if _PORT_WORDS.intersection(words):
            return "sport" if side == "src" else "dport"
        if _HOST_WORDS.intersection(words) or len(words) == 1:
            return side
    if not words or len(words) > 3 or any(_NAMED.get(word, "time") != "time" for word in words[1:]):
        return ""
    if _NAMED.get(words[0]) == "time" or (words[0] in ("last", "latest") and len(words) > 1):
        return "time"
    return "port" if _PORT_WORDS.intersection(words) else ""


def _named_words(text: str) -> list[str]:
    """The columns of a heading whose names of up to three words stand one blank apart: the longest known name first."""
    words, roles = text.split(), []
    at = 0
    while at < len(words):
        size = next((size for size in (3, 2) if _role(" ".join(words[at : at + size])) and at + size <= len(words)), 1)
        roles.append(_role(" ".join(words[at : at + size])))
        at += size
    return roles


def _listing(roles: list[str]) -> list[str]:
    """The roles of a table with one column of addresses that does not say whose: it lists the accused, and its port is theirs."""
    if "src" in roles or "dst" in roles or roles.count("listed") != 1 or not {"time", "port", "proto"}.intersection(roles):
        return [role if role != "listed" else "" for role in roles]
    return ["src" if role == "listed" else "own port" if role == "port" else role for role in roles]


def _ports_beside(roles: list[str]) -> list[str]:
    """``source | port | target | port``: each port belongs to the address before it; where only one side has an address, to neither."""
    if "src" not in roles or "dst" not in roles:
        return roles
    return [
        {"src": "sport", "dst": "dport"}.get(before, one) if one == "port" else one
        for before, one in zip(["", *roles], roles, strict=False)
    ]


def all_named(roles: list[str]) -> bool:
    """Whether the words of a line are columns and no sentence: three of four have a role."""
    return len(roles) >= 3 and sum(map(bool, roles)) >= 0.75 * len(roles)


def split(text: str, style: str) -> list[str]:
    if style == "  ":
        return [cell for cell in text.strip().replace("\t", "  ").split("  ") if cell.strip()]
    if style == " ":
        return text.split()
    return text.strip().strip("|" if style == "|" else "").split(style)


def _row(text: str, heading: Heading, zone: str | None, reference: datetime | None) -> LogLine | None:
    style, roles = heading
    cells = split(text.strip(), style)
    if "day" in roles:  # its times are in UTC by its definition
        zone = zone or "UTC"
    if style == " " and len(cells) == len(roles) + 1 and "time" in roles:  # a date and a clock under one name
        at = roles.index("time")
        cells = [*cells[:at], f"{cells[at]} {cells[at + 1]}", *cells[at + 2 :]]
    if len(cells) != len(roles):
        return _by_sockets(text, roles, zone, reference)
    fields: dict[str, str] = {}
    for role, cell in zip(roles, cells, strict=True):
        if role:
            fields.setdefault(role, cell.strip(" \"'`*"))
    return _line(fields, text, zone, reference)


def _by_sockets(text: str, roles: list[str], zone: str | None, reference: datetime | None) -> LogLine | None:
    """A row whose cells do not match one by one: its addresses stand in the heading's order, if there are as many."""
    ips = [word for word in text.replace("|", " ").replace(",", " ").replace(";", " ").split() if _cell_ip(word)]
    order = [role for role in roles if role in ("src", "dst")]
    return _line(dict(zip(order, ips, strict=True)), text, zone, reference) if len(ips) == len(order) else None


def _line(fields: dict[str, str], text: str, zone: str | None, reference: datetime | None) -> LogLine | None:
    src = _cell_ip(fields.get("src", ""))
    if src is None:
        return None
    dst = _cell_ip(fields.get("dst", ""))
    sport = (
        fields.get("sport")
        or fields.get("own port")
        or fields.get("psport", "").rpartition("/")[2]
        or (_socket(fields["src"]) or ("", ""))[1]
    )
    dport = fields.get("dport") or (_socket(fields.get("dst", "")) or ("", ""))[1]
    return LogLine(
        src,
        _number(sport),
        dst,
        _number(dport),
        _epoch(fields.get("time", ""))
        or time_of(
            refang(f"{fields['day']} {fields['clock']}" if "day" in fields and "clock" in fields else text), zone, reference
        ),
        "listing" if "own port" in fields else "table",
        fields.get("proto", "").lower() or None,
        bool(_ALLOWED.search(text)),
    )


def _epoch(text: str) -> Moment | None:
    text = text.strip()
    return read_time(text) if text.replace(".", "", 1).isdigit() and 10 <= len(text.partition(".")[0]) <= 13 else None


def _pair(text: str, zone: str | None, reference: datetime | None) -> LogLine | None:
    """``TIME … A:54001 B:445``: the ephemeral port is who came; without a time, or where both could be, nothing is said."""
    match = _PAIR.search(text)
    if match is None:
        return None
    sport, dport = _number(match["sport"]), _number(match["dport"])
    src, dst = normal_ip(match["src"].strip("[]")), normal_ip(match["dst"].strip("[]"))
    moment = time_of(text, zone, reference)
    if not (src and dst and sport and dport and moment is not None and sport > 1_023 and dport < sport):
        return None
    return LogLine(src, sport, dst, dport, moment, "pair")


def _number(text: str) -> int | None:
    text = text.partition("/")[0].strip()
    return int(text) if text.isdecimal() and 0 < int(text) < 65_536 else None


def _object(lines: list[Line], index: int) -> tuple[list[LogLine], int]:
    """The records of a JSON object written over several lines, and the index behind it."""
    first = lines[index].text.lstrip("> ")
    if not (first.startswith("{") or _OPENS.match(first)):
        return [], index + 1
    depth, text = 0, ""
    for at in range(index, min(len(lines), index + MAX_OBJECT)):
        piece = lines[at].text.lstrip("> ")
        text += piece + "\n"
        depth += piece.count("{") - piece.count("}")
        if depth <= 0:
            return _from_object(text[text.find("{") :]), at + 1
    return [], index + 1


def _from_object(text: str) -> list[LogLine]:
    try:
        value = json.loads(text.rstrip().rstrip(","))
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    whole = from_fields({str(key): one for key, one in _flat(value, 0)})
    return [whole] if whole is not None else [entry for record in _records(value) if (entry := from_fields(record)) is not None]


def _records(value: dict) -> Iterator[dict[str, str]]:
    """The rows of a list inside an object (``evidence``, ``events``): there a bare ``ip`` is the reported one where a time stands beside it."""
    for one in value.values():
        for item in one[:MAX_ROWS] if isinstance(one, list) else ():
            fields = {str(key).lower(): scalar for key, scalar in _flat(item, 0)} if isinstance(item, dict) else {}
            address = next((fields[key] for key in ("ip", "ip_address", "address", "ipv4", "ipv6") if key in fields), None)
            if address and any(_NAMED.get(key) == "time" for key in fields) and "src" not in fields:
                fields = {"src": address, "sport": fields.get("port", ""), "proto": fields.get("proto", "tcp")} | fields
            if fields:
                yield fields


def _flat(value: dict, depth: int) -> Iterator[tuple[str, str]]:
    """The scalars of an object, those inside as ``source.ip`` and ``ip``-like names joined by dots."""
    for key, one in value.items():
        if isinstance(one, dict) and depth < 3:
            yield from ((f"{key}.{inner}", scalar) for inner, scalar in _flat(one, depth + 1))
        elif isinstance(one, str | int | float):
            yield str(key), str(one)[:200]
