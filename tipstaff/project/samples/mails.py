"""The sample's messages in the formats that reporters use, and when each arrives. Pure: the same moment, the same sample."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from random import Random
from string import Template
from typing import Any

import orjson

H = timedelta(hours=1)
DAY = timedelta(days=1)
MAILBOX, API, FEED, CERT, FORM = (
    "Sample: abuse@ mailbox",
    "Sample: XARF reporters",
    "Sample: Shadowserver",
    "Sample: national CERT",
    "Sample: web form",
)
KINDS = {MAILBOX: "smtp", API: "api", FEED: "pull", CERT: "pull", FORM: "form"}

OVERDUE = "203.0.113.7"  # Larkfield Web: the phishing case that is overdue
SPAMMER = "203.0.113.36"  # Halden Mail: the repeat offender
SHARED = "203.0.113.200"  # Quarry Hosting and Pebble Shop, told apart by host name
UNASSIGNED = "198.51.100.250"
ELSEWHERE = "192.0.2.200"
BEHIND_RESELLER = "198.51.100.20"  # Tern Games, a client of Ostrava Data
MOVED = "203.0.113.100"  # Larkfield's until ten days ago, Meridian's since
LAGGING = "198.51.100.140"  # the access ledger has not spoken for two days
HOSPITAL = "203.0.113.66"
WRONGLY = "203.0.113.37"  # Halden: blocked, appealed against with success, credited
APPEALED = "203.0.113.114"  # Orchard: blocked, an appeal waits

RESOLVERS = ("203.0.113.130", "203.0.113.131", "2001:db8:80::53", "198.51.100.36")
LOGINS = ("203.0.113.8", "198.51.100.21", "203.0.113.133", "203.0.113.12", "198.51.100.5", "203.0.113.140", "2001:db8:40::17")


@dataclass(frozen=True)
class Delivery:
    """One message at its moment."""

    at: datetime
    source: str
    content: bytes
    filename: str = ""


@cache
def _template(name: str) -> Template:
    return Template((files("tipstaff.project.samples") / "messages" / name).read_text("utf-8"))


@cache
def letters() -> list[dict[str, str]]:
    """The letters of letters.toml."""
    found: list[dict[str, str]] = tomllib.loads((files("tipstaff.project.samples") / "letters.toml").read_text("utf-8"))["letter"]
    return found


def _moment(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC))


def _log(ip: str, seen: datetime, lines: int = 4) -> str:
    rows = []
    for number in range(lines):
        at = seen + timedelta(seconds=3 * number)
        rows.append(
            f"{at:%Y-%m-%dT%H:%M:%S}Z gate sshd[{811 + number}]: Failed password for root from {ip} port {40100 + 7 * number} ssh2"
        )
    return "\n".join(rows) + "\n"


def mail(template: str, at: datetime, *, ip: str = "", seen: datetime | None = None, **words: Any) -> Delivery:
    """A mail from a template; ``seen`` is when it happened."""
    seen = seen or at - H
    words.setdefault("number", 7)
    stamp = f"{at:%d%H%M%S}.{words['number']}"
    values = {
        "ip": ip,
        "id": f"s{stamp}",
        "date": _moment(at),
        "seen": _moment(seen),
        "iso": f"{seen:%Y-%m-%dT%H:%M:%SZ}",
        "when": f"{seen:%Y-%m-%d %H:%M}",
        "log": _log(ip, seen) if ip else "",
    } | words
    return Delivery(at, MAILBOX, _template(template).substitute(values).encode())


def letter(entry: dict[str, str], at: datetime, ip: str, host: str, number: int) -> Delivery:
    seen = at - 2 * H
    inner = {"ip": ip, "host": host, "when": f"{seen:%Y-%m-%d %H:%M}", "log": _log(ip, seen, 3)}
    body, subject = (Template(entry[part]).substitute(inner) for part in ("body", "subject"))
    return mail("letter.eml", at, seen=seen, number=number, name=entry["name"], sender=entry["sender"], subject=subject, body=body)


def xarf(at: datetime, ip: str, category: str, kind: str, number: int, **more: Any) -> Delivery:
    """A XARF v4 document as it comes through the API."""
    party = {
        "org": "Sentinel Sensors (sample)",
        "contact": "reports@sentinel-sensors.example",
        "domain": "sentinel-sensors.example",
    }
    document = {
        "xarf_version": "4.2.0",
        "report_id": f"5a3f0000-0000-4000-8000-{number:012d}",
        "timestamp": f"{at - H / 3:%Y-%m-%dT%H:%M:%SZ}",
        "reporter": party,
        "sender": party,
        "source_identifier": ip,
        "category": category,
        "type": kind,
        "description": "[SAMPLE] Seen by our sensors.",
    } | more
    return Delivery(at, API, orjson.dumps(document), f"sample-{number}.json")


def feed(at: datetime, kind: str, rows: list[str], source: str = FEED) -> Delivery:
    heads = {
        "dns_openresolver": '"timestamp","ip","asn","geo","region","city","port","protocol","hostname","min_amplification"',
        "scan_ntp": '"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","region","city"',
    }
    content = "\n".join([heads[kind], *rows]) + "\n"
    return Delivery(at, source, content.encode(), f"{at - DAY:%Y-%m-%d}-{kind}-northgate-sample.csv")


def schedule(now: datetime) -> list[Delivery]:
    """Everything that arrives in the thirty days before ``now``, in order."""
    chance = Random(20260101)  # noqa: S311 - a story, not a secret
    found = [
        *_feeds(now),
        *_spam(now, chance),
        *_sensors(now, chance),
        *_log_mails(now, chance),
        *_letters(now, chance),
        *_special(now),
    ]
    return sorted(found, key=lambda one: one.at)


def _feeds(now: datetime) -> Iterator[Delivery]:
    morning = now.replace(hour=4, minute=20, second=0, microsecond=0)
    for day in range(30, 0, -1):
        at = morning - day * DAY + (DAY if now - morning > H else timedelta(0))
        stamp = f"{at - 6 * H:%Y-%m-%d %H:%M}"
        rows = [f'"{stamp}:{n:02d}","{ip}",64500,"DE","HESSEN","FRANKFURT","53","udp","","4.6"' for n, ip in enumerate(RESOLVERS)]
        yield feed(at, "dns_openresolver", rows[: 2 + day % 3])
        if day > 6 and day % 2:
            ntp = f'"{stamp}:40","medium","203.0.113.141","udp","123","","ntp",64500,"DE","HESSEN","FRANKFURT"'
            yield feed(at + H, "scan_ntp", [ntp], CERT)


def _spam(now: datetime, chance: Random) -> Iterator[Delivery]:
    offers = ("Last chance: winter coats", "Your coupon is waiting", "Only this weekend", "We miss you!")
    for start, count in ((27.0, 6), (18.4, 7), (8.7, 6), (0.8, 8)):
        for number in range(count):
            at = now - start * DAY + number * timedelta(minutes=23 + chance.randrange(9))
            offer, sender = offers[number % 4], "out.halden-mail.example"
            yield mail("arf.eml", at, ip=SPAMMER, seen=at - H / 2, number=100 + number, offer=offer, sender=sender)


def _sensors(now: datetime, chance: Random) -> Iterator[Delivery]:
    for number in range(22):
        at = now - timedelta(hours=3 + number * 32 + chance.randrange(9))
        ip = LOGINS[number % len(LOGINS)]
        yield xarf(
            at,
            ip,
            "connection",
            "login_attack",
            number,
            source_port=40000 + number,
            destination_ip="192.0.2.250",
            destination_port=22,
            protocol="tcp",
            first_seen=f"{at - H:%Y-%m-%dT%H:%M:%SZ}",
            attempt_count=40 + 13 * number,
        )
    for number, hours in enumerate((610, 402, 222, 141)):
        ip = ("203.0.113.12", "203.0.113.150", "198.51.100.5", "2001:db8:80::25")[number]
        yield xarf(
            now - hours * H,
            ip,
            "infrastructure",
            "botnet",
            50 + number,
            compromise_evidence="[SAMPLE] beacons seen",
            malware_family="Examplebot",
        )


def _log_mails(now: datetime, chance: Random) -> Iterator[Delivery]:
    for number in range(24):
        at = now - timedelta(hours=2 + number * 29 + chance.randrange(11))
        yield mail("blocklist.eml", at, ip=LOGINS[(number * 3) % len(LOGINS)], number=770000 + number)
    for number in range(12):
        at = now - timedelta(hours=1 + number * 57 + chance.randrange(7))
        yield mail("fail2ban.eml", at, ip=LOGINS[(number * 2 + 1) % 6], number=number)
    for number in range(9):
        at = now - timedelta(hours=4 + number * 75 + chance.randrange(12))
        yield mail("x_arf.eml", at, ip=("203.0.113.14", "203.0.113.142", "198.51.100.6")[number % 3], number=number)
    for number in range(10):
        at = now - timedelta(hours=2.5 + number * 69)
        if number % 2:
            yield mail("acns.eml", at, ip="203.0.113.151", number=5500 + number, port=51413, work="An Example Film")
        else:
            yield mail(
                "dmca.eml",
                at,
                ip="203.0.113.9",
                number=number,
                host="files.larkfield-web.example",
                name="Anna Ferrier",
                sender="anna@ferrier-photo.example",
                domain="ferrier-photo.example",
                work=f"Harbour at dawn, no. {number}",
            )


def _letters(now: datetime, chance: Random) -> Iterator[Delivery]:
    by_kind: dict[str, list[dict[str, str]]] = {}
    for entry in letters():
        by_kind.setdefault(entry["kind"], []).append(entry)
    for number in range(20):
        entry = by_kind["report"][number % len(by_kind["report"])]
        at = now - timedelta(hours=1 + 1.3 * number if number < 4 else number * 34 + chance.randrange(10))
        yield letter(
            entry,
            at,
            ("203.0.113.10", "203.0.113.134", "198.51.100.37", "203.0.113.13")[number % 4],
            "cdn.larkfield-web.example",
            number,
        )
    for number in range(16):
        entry = (by_kind["question"] + by_kind["offer"])[number % 4]
        yield letter(entry, now - timedelta(hours=20 + number * 43 + chance.randrange(20)), "", "", 40 + number)
    for number in range(5):
        yield mail("bounce.eml", now - timedelta(hours=60 + number * 130), number=number)


def _special(now: datetime) -> Iterator[Delivery]:
    """The story's own: each line is something that the sample is there to show."""
    phish = {"url": "http://login.larkfield-web.example/secure/", "target_brand": "A bank (sample)"}
    yield xarf(now - 7.2 * H, OVERDUE, "content", "phishing", 90, **phish)
    for number, hours in enumerate((6.4, 5.1, 3.3, 0.9)):
        yield xarf(now - hours * H, OVERDUE, "content", "phishing", 91 + number, **phish)
    yield xarf(
        now - 2.2 * H,
        BEHIND_RESELLER,
        "content",
        "malware",
        97,
        url="http://play.tern-games.example/patch.exe",
        malware_type="trojan",
    )
    for number, at in ((98, now - 12 * DAY), (99, now - 3 * DAY)):
        yield xarf(
            at,
            MOVED,
            "connection",
            "port_scan",
            number,
            source_port=4000,
            destination_ip="192.0.2.250",
            destination_port=445,
            protocol="tcp",
            first_seen=f"{at - H:%Y-%m-%dT%H:%M:%SZ}",
        )
    yield xarf(now - 3.8 * H, "203.0.113.8", "connection", "port_scan", 102)  # not valid: fields are missing
    yield xarf(
        now - 1.2 * H,
        LAGGING,
        "connection",
        "login_attack",
        100,
        source_port=50123,
        destination_ip="192.0.2.250",
        destination_port=22,
        protocol="tcp",
        first_seen=f"{now - 2 * H:%Y-%m-%dT%H:%M:%SZ}",
        attempt_count=88,
    )
    for number, at, ip in ((103, now - 96 * H, WRONGLY), (104, now - 5.6 * H, APPEALED)):
        yield xarf(at, ip, "infrastructure", "botnet", number, compromise_evidence="[SAMPLE] it answers as a controller does")
    yield xarf(now - 0.8 * H, HOSPITAL, "infrastructure", "botnet", 101, compromise_evidence="[SAMPLE] beacons seen")
    entries = letters()
    yield letter(entries[0], now - 3.1 * H, SHARED, "", 60)  # which of two customers, nobody can say
    yield letter(entries[2], now - 30 * H, SHARED, "www.pebble-shop.example", 61)  # here the host name says it
    yield letter(entries[0], now - 2.4 * H, UNASSIGNED, "", 62)
    yield letter(entries[1], now - 4.6 * H, UNASSIGNED, "", 63)
    yield letter(entries[1], now - 20 * H, ELSEWHERE, "", 64)
    for number, entry in enumerate(one for one in entries if one["kind"] == "no-address"):
        yield letter(entry, now - (1.4 + 1.3 * number) * H, "", "", 70 + number)
    yield mail("sealed.eml", now - 1.7 * H, ip="203.0.113.9")
    yield mail("x_arf.eml", now - 0.4 * H, ip="203.0.113.8", number=91)
    yield mail("fail2ban.eml", now - 0.7 * H, ip="198.51.100.5", number=92)
