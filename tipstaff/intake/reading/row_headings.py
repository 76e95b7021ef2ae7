# ruff: noqa: E501, SIM905 - lists of words read better whole
"""Headings of tables: which column is whose, by the names that columns have in eleven languages."""

from bisect import bisect_right
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import accumulate

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import MAX_TEXT, fold
from tipstaff.intake.reading.sections import Line

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
_LISTED = frozenset(map(fold, _LISTED))
_W3C = {"c-ip": "src", "s-ip": "dst", "c-port": "sport", "s-port": "dport", "date": "day", "time": "clock"}
NAMED = {
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
_SIDE = {
    **dict.fromkeys(
        "src source sources reflector amplifier sender abuser attacker attackers offender offending origin originating remote client peer scanner bot quelle quell angreifer attaquant origine origen atacante sorgente sorg orig attaccante bron aanvaller źródło źródłowy źródłowe atakujący origem источник источника атакующий".split(),
        "src",
    ),
    **dict.fromkeys(
        "dst dest destination target victim local sensor honeypot ziel opfer cible victime destino víctima objetivo destinazione vittima bersaglio doel slachtoffer cel docelowy docelowe ofiara vítima alvo цель назначения жертва".split(),
        "dst",
    ),
}
NAMED = {fold(name): role for name, role in NAMED.items()}
_SIDE = {fold(name): side for name, side in _SIDE.items()}
_PORT_WORDS = frozenset("port ports puerto porta porte poort порт порта".split())
_HOST_WORDS = frozenset(
    "ip ips ipv4 ipv6 address addr host adresse adres adress indirizzo dirección endereço адрес ip-adresse addresses".split()
)
_APART = str.maketrans(dict.fromkeys(" \n|\t;,_-.()'\"`*:[]<>", " "))
_APART_ASCII = bytes(ord(" ") if byte in _APART else byte for byte in range(256))
#: Of each name of the source's column its words, those aside that stand with other columns as well: one of these is in a heading.
_SOURCE_WORDS = frozenset(
    word
    for name in (*(one for one, role in NAMED.items() if role == "src"), *(one for one, side in _SIDE.items() if side == "src"))
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
    word for name, role in NAMED.items() if role in ("time", "port", "proto") for word in name.translate(_APART).split()
) - {"at", "when", "y", "e", "и"}
Heading = tuple[str, list[str]]


def heads(lines: list[Line]) -> AbstractSet[int]:
    """The numbers of the lines that may be a heading: one of the words that make one stands in each."""
    whole = "\n".join([line.text for line in lines])
    if len(whole) > MAX_TEXT:
        return {line.number for line in lines}
    folded = fold(whole)
    if folded.isascii():
        return _heads_in_ascii(lines, folded, whole)
    words = set(_apart(folded).split())
    if not _makes_heading(words, whole):
        return frozenset()
    found: set[int] = set()
    starts = list(accumulate((len(line.text) + 1 for line in lines), initial=0))
    for word in (words & (_SOURCE_WORDS | _LIST_WORDS)) | {"#fields:"}:
        at = folded.find(word)
        while at >= 0:
            place = bisect_right(starts, at) - 1
            found.add(lines[place].number)
            at = folded.find(word, starts[place + 1])
    return found


def _heads_in_ascii(lines: list[Line], folded: str, whole: str) -> AbstractSet[int]:
    """The same by one automaton: the lines in which such a word stands as a word."""
    automaton, kinds = _words_of_headings()
    hits = [
        (kinds[n], at)
        for n, at, _ in automaton.find_matches_as_indexes(b" %b " % folded.encode().translate(_APART_ASCII), overlapping=True)
    ]
    heading = {kind for kind, _ in hits}
    if "source" not in heading and "#Fields:" not in whole and not {"list", "beside"} <= heading:
        return frozenset()
    starts = list(accumulate((len(line.text) + 1 for line in lines), initial=0))
    places = [at for kind, at in hits if kind != "beside"]  # the blank before a word: where it stands in the letter
    at = folded.find("#fields:")
    while at >= 0:
        places.append(at)
        at = folded.find("#fields:", at + 1)
    return {lines[bisect_right(starts, at) - 1].number for at in places}


@lru_cache(maxsize=1)
def _words_of_headings() -> tuple[BytesAhoCorasick, list[str]]:
    found = [(word, "source") for word in _SOURCE_WORDS]
    found += [(word, "list") for word in _LIST_WORDS - _SOURCE_WORDS]
    found += [(word, "beside") for word in _BESIDE_WORDS]
    found = [(word, kind) for word, kind in found if word.isascii()]
    patterns = [b" %b " % word.encode() for word, _ in found]
    return BytesAhoCorasick(patterns, matchkind=MatchKind.Standard, implementation=Implementation.DFA), [kind for _, kind in found]


def _may_head(text: str) -> bool:
    """Whether the words of a heading are in it: the source's column, or one of addresses beside one of times or ports."""
    return _makes_heading(set(_apart(fold(text)).split()), text)


def _apart(text: str) -> str:
    return text.encode().translate(_APART_ASCII).decode() if text.isascii() else text.translate(_APART)


def _makes_heading(words: set[str], text: str) -> bool:
    if not _SOURCE_WORDS.isdisjoint(words) or "#Fields:" in text:
        return True
    return not _LIST_WORDS.isdisjoint(words) and not _BESIDE_WORDS.isdisjoint(words)


def _w3c(text: str) -> Heading | None:
    """The fields of a W3C extended log, as web servers of one house write it (W3C WD-logfile-960323)."""
    roles = [_W3C.get(name, "") for name in text.partition(":")[2].split()]
    return (" ", roles) if {"src", "day", "clock"} <= set(roles) else None


def heading_of(text: str) -> Heading | None:
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


_INNER_CAPITAL = pattern(r"(\p{Ll})(\p{Lu})")


def _role(cell: str) -> str:
    """What a column holds, by its name: as a whole, else by a word for the side and one for the thing (``Port src``)."""
    name = fold(cell.strip(" \"'`*:()[]<>")).strip()
    if name in NAMED:
        return NAMED[name]
    if name in _LISTED:
        return "listed"
    if ":" in name and _role(name.rpartition(":")[2]) == "port":  # ``reflector:port``
        name = name.rpartition(":")[0].strip()
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
    if _INNER_CAPITAL.search(cell):  # ``TimeCreated``
        return _role(_INNER_CAPITAL.sub(r"\1 \2", cell))
    if not words or len(words) > 3 or any(NAMED.get(word, "time") != "time" for word in words[1:]):
        return ""
    if NAMED.get(words[0]) == "time" or (words[0] in ("last", "latest") and len(words) > 1):
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
