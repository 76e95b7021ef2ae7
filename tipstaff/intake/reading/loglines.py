# ruff: noqa: E501, SIM905 - patterns and lists of words read better whole
"""Log lines by their own grammar: who came to whom. sshd, mail servers, web servers, packet filters, SIP, DNS, flow tables."""

from dataclasses import dataclass
from datetime import datetime

from tipstaff.intake.reading.indicators import normal_ip, refang
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.prose_times import find_said
from tipstaff.intake.reading.received import is_global
from tipstaff.intake.reading.times import Moment, read_time

MAX_LINE = 2_000

_IP = r"\[?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,40})\]?"
_SYSLOG = pattern(
    r"^(?:<\d+>)?\s*([\pL]{3,4}\.?\s+\d{1,2}(?:\s+\d{4})?\s+\d{1,2}:\d{2}:\d{2})(?:[.,]\d+)?(?:\s([+-]\d{4}|UTC|CET|CEST|GMT|MEZ))?\b"
)
#: Suricata's and Snort's alerts, month first whatever the country; and RouterOS's ``nov/05/2025 07:02:30``.
_MONTH_FIRST = pattern(r"^\s{0,8}((\d\d)/(\d\d)(?:/(\d{4}))?-(\d\d:\d\d:\d\d\.\d{6}))\s")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MIKROTIK = pattern(r"(?i)^\s{0,8}((jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)/(\d\d)(?:/(\d{4}))? (\d\d:\d\d:\d\d))\s")
_BARE_CLOCK = pattern(r"^\s*\[?\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\]?\s")

#: Programs whose line says ``from ADDRESS port N`` or ``rhost=ADDRESS``.
_SSHD = pattern(
    rf"(?i)\b(?:sshd(?:-session)?|dropbear|in\.telnetd|telnetd|vsftpd|pure-ftpd|proftpd|in\.ftpd|ftpd|xrdp(?:-sesman)?|pam_unix|login|su)(?:\[\d+\]|\([^)\s]{{1,40}}\)|:)"
    rf".{{0,400}}?(?:\bfrom\s+(?:\S+@)?|rhost=(?:::ffff:)?|@|\buser\s(?:\S{{1,64}}\s)?)(?P<src>{_IP})(?:[\s:]+port\s+(?P<sport>\d{{1,5}}))?"
)
_LITERAL = r"\[(?:IPv6:)?(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{2,40})\]"
_MAIL = pattern(
    rf"(?i)(?:postfix|smtpd|exim|dovecot|courier|imapd|pop3d|imap-login|pop3-login|submission-login|auth-worker|sendmail|saslauthd|sm-mta|qmail|zimbra)"
    rf".{{0,500}}?(?:rip=(?P<src1>{_IP})(?:.{{0,60}}?rport=(?P<sport1>\d{{1,5}}))?|[a-z0-9._-]+(?P<src2>{_LITERAL})(?::(?P<sport2>\d{{1,5}}))?"
    rf"|\b(?:ip|client|host)[=\s\[:]+(?P<src5>{_IP})|relay=\S{{0,200}}\s(?P<src6>{_LITERAL}))"
)
_EXIM = pattern(
    rf"(?i)(?:authenticator failed for|\bH=)\s?(?:[\w.-]{{1,200}}\s)?(?:\([^)]{{0,200}}\)\s?)?(?P<src>{_LITERAL})(?::(?P<sport>\d{{1,5}}))?"
)
_ASCTIME = pattern(r"\[?[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}:\d{2}:\d{2})(?:\.\d+)? (\d{4})\]?")
_WEB = pattern(
    rf"^\s*(?:\S{{1,200}}:\d{{1,5}}\s+|[\w.-]+\s+)?(?P<src>{_IP})(?::\d{{1,5}})?,?\s+(?:[\w.-]+\s+)?\S+\s+(?:\S+\s+)?\[(?P<time>\d{{1,2}}/[A-Za-z]{{3}}/\d{{4}}:\d\d:\d\d:\d\d(?:\s?[+-]\d{{4}})?)\]"
)
_BEHIND = pattern(rf'"(?P<src>{_IP})(?:,[^"]{{0,200}})?"\s*$')  # the last field of nginx's usual format
_HAPROXY = pattern(rf"\bhaproxy\[\d+\]:\s(?P<src>{_IP}):(?P<sport>\d{{1,5}})\s\[")
_WEB_ERROR = pattern(
    rf"(?i)(?:\[(?:client|remote)\s+(?P<src1>{_IP}?)(?::(?P<sport1>\d{{1,5}}))?\]|\bclient:\s(?P<src2>{_IP}),\sserver:)"
)
_ARROW = pattern(
    rf"(?P<src>{_IP})(?:[.:/](?P<sport>\d{{1,5}})|\((?P<sport_p>\d{{1,5}})\)|\s(?P<sport_s>\d{{1,5}})|\sport\s(?P<sport_w>\d{{1,5}}))?(?:\s?\([^)]{{0,60}}\))?(?:\s[\w/]{{1,20}})?\s*(?:->|-->|=>|→|⇒|>|»)\s*"
    rf"(?:\w+\s)?(?P<dst>{_IP})(?:[.:/](?P<dport>\d{{1,5}})|\((?P<dport_p>\d{{1,5}})\)|\s(?P<dport_s>\d{{1,5}}))?(?:[^\d.]|$)"
)
_CISCO = pattern(
    rf"(?i)%(?:ASA|PIX|FWSM|FTD)-.{{0,200}}?(?:src|from|for)\s+\w[\w-]*:(?P<src>{_IP})/(?P<sport>\d{{1,5}}).{{0,120}}?(?:dst|to)\s+\w[\w-]*:(?P<dst>{_IP})/(?P<dport>\d{{1,5}})"
)
#: pfSense's and OPNsense's filter log: fields by place; ports only of TCP and UDP.
_FILTERLOG = pattern(
    rf"\bfilterlog\b[^,]*(?:,[^,]*){{5,30}}?,(?P<src>{_IP}),(?P<dst>{_IP})(?:,(?P<sport>\d{{1,5}}),(?P<dport>\d{{1,5}}))?"
)
_CISCO_PLAIN = pattern(
    rf"(?i)%(?:ASA|PIX|FTD)-.{{0,120}}?\bfrom\s+(?P<src>{_IP})/(?P<sport>\d{{1,5}})\s+to\s+(?:\w[\w-]{{0,60}}:)?(?P<dst>{_IP})/(?P<dport>\d{{1,5}})"
)
_KEY = pattern(
    r"(?i)(?:^|[\s,;{(\"'|])\"?(xff|x_forwarded_for|x-forwarded-for|forwarded_for|real_ip|x_real_ip|x-real-ip|src|srcip|src_ip|srcaddr|src_addr|source|source_ip|sourceip|source_addr|sourceaddress|source\.ip|saddr|sip|s_ip|c-ip|client|client_ip|clientip|client_addr|client\.ip|attacker|attacker_ip|attackerip|remote|remote_ip|remote_addr|remote_host|remoteip|remoteaddr|remotehost|rhost|src-ip|ip_src|offender|peer|peer_ip|"
    r"dst|dstip|dst_ip|dstaddr|destination|dest_ip|destination_ip|destip|daddr|dip|target|target_ip|dst-ip|server_ip|serverip|server_addr|local_ip|host_ip|dest|destination\.ip|dst_addr|dest_addr|ip_dst|victim|victim_ip|"
    r"spt|sport|srcport|src_port|source_port|sourceport|source\.port|client_port|remote_port|peer_port|cport|c_port|s_port|src-port|dpt|dport|dstport|dst_port|destination_port|dest_port|dst-port|proto|protocol)\"?\s?[=:]\s?\"?([^\s\",;})|]{1,60})"
)
_SIP = pattern(
    rf"(?i)(?:chan_sip|chan_pjsip|res_pjsip|asterisk|Registration from|sip:|kamailio|opensips|freeswitch|sofia|SecurityEvent).{{0,500}}?(?:failed for\s+'?(?P<src1>{_IP})(?::(?P<sport1>\d{{1,5}}))?|RemoteAddress=\"IPV[46]/\w+/(?P<src2>[^/\"]+)/(?P<sport2>\d{{1,5}})|from ip (?P<src3>{_IP}))"
)
_BIND = pattern(rf"(?i)\bclient\s(?:@0x[0-9a-f]+\s)?(?P<src>{_IP})#(?P<sport>\d{{1,5}})\b")
_CISCO_USER = pattern(
    rf"(?i)%(?:ASA|PIX|FTD|FWSM)-.{{0,400}}?\b(?:user|peer|client|remote)\s?IP(?:\saddress)?\s?[=:]\s?(?P<src>{_IP})"
)
#: A line of a log by its form (a time, a level or a tag stands first or last), which says that something from an address failed.
_LOGGED = pattern(
    r"^(?:L |\[|<\d|time=|ts=|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{10}|[A-Za-z]{3}[ /]\s?\d|\*\*\* )|\d{1,2}:\d{2}:\d{2}(?: ?[AP]M)?\s*$"
)
_FAILED = pattern(
    r"(?i)fail|denied|invalid|bad password|wrong|block|reject|refus|unauthori[sz]ed|illegal|banned|too many|brute|attack|exceed|flood"
)
_FROM = pattern(
    r"(?i)\b(?:from|for|by|ip|host|address|client|peer|remote)\s?(?:[=:]\s?)?[\[\"'(]{0,2}(?:::ffff:)?(?P<src>\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{1,4}:[0-9a-fA-F:]{3,40})(?::(?P<sport>\d{1,5}))?(?:\sport\s(?P<sport_p>\d{1,5}))?(?:[\]\"'),:;\s]|$)"
)
_FAIL2BAN = pattern(rf"(?i)fail2ban\S*\s.{{0,80}}?\]?:?\s(?:\w+\s+)?\[[\w.-]+\]\s(?:Ban|Found|Restore Ban)\s(?P<src>{_IP})")
_HONEYPOT = pattern(
    rf"(?i)(?:cowrie|HoneyPotSSHTransport|New connection:).{{0,120}}?[,\s](?P<src>{_IP}):(?P<sport>\d{{1,5}})\s\((?P<dst>{_IP}):(?P<dport>\d{{1,5}})\)"
)
_VSFTPD = pattern(rf"(?i)(?:FAIL LOGIN|CONNECT|FAIL DOWNLOAD): Client \"(?:::ffff:)?(?P<src>{_IP})\"")
_GOOD = pattern(
    r"(?i)\bsshd.{0,40}\]:\s(?:Accepted\s|session opened)|imap-login: Login:|pop3-login: Login:|sasl_method=\S+, sasl_username|LOGIN SUCCESS|\bAUTH OK\b|\bresult=(?:ok|success)\b|successful login"
)
_ATTACKS = (  # (words in the line, category it speaks for)
    (
        "intrusion",
        pattern(
            r"(?i)failed password|invalid password|failed to log in|login failure|critical login|\battacker(?:_?ip)?\s?[=:]|ET EXPLOIT|ET WEB|GPL ATTACK|ET TROJAN|invalid user|authentication rejected|login failure|result=fail|authentication fail|auth failed|sasl|authenticator failed|wrong password|login fail|failed login|wp-login|xmlrpc|union.{1,10}select|\.\./|sqlmap|did not receive identification|maximum authentication|no matching peer|log4j|exploit|/etc/passwd|\.env\b|phpmyadmin|failed for|illegal user|connection closed by.{0,60}preauth|too many authentication|bad password|eval\(|FAIL LOGIN"
        ),
    ),
    ("ddos_origin", pattern(r"(?i)\bflood|amplif|ntpv2, reserved|\bddos\b")),
    (
        "scan",
        pattern(
            r"(?i)ET SCAN|ET POLICY|ET DROP|\[\*\*\]|exceeding rate|ufw block|\bdpt=|denied? |\bdeny\b|\bdrop|\bblock|reject|firewall|portscan|accessgroup|access-group|dstport=|iptables|\bSYN\b|flags \[s\]"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: ``src`` came to ``dst``; ports of either side where stated. ``good`` is a use that was allowed in."""

    src: str
    sport: int | None
    dst: str | None
    dport: int | None
    moment: Moment | None
    kind: str
    protocol: str | None = None
    good: bool = False
    attack: str | None = None  # category that the line itself speaks for
    behind: str | None = None  # for whom ``src`` asked, as it says itself (X-Forwarded-For), where it is a proxy


def read_log_line(line: str, *, zone: str | None = None, reference: datetime | None = None) -> LogLine | None:
    """The line as a log line, or None. ``reference`` (the mail's date) gives syslog its year, ``zone`` serves where there is none."""
    if len(line) < 12 or not may_be_log_line(line):
        return None
    line = refang(line[:MAX_LINE])
    if not may_name_address(line):
        return None
    found = _ends(line)
    if found is None:
        return None
    kind, src, sport, dst, dport, protocol = found
    attack = next((category for category, words in _ATTACKS if words.search(line)), None)
    if kind == "mail" and attack == "scan":  # a mail server rejects and blocks honest senders too
        attack = None
    return LogLine(
        src, _port(sport), dst, _port(dport), time_of(line, zone, reference), kind, protocol, bool(_GOOD.search(line)), attack,
        _behind(line, kind, src),
    )  # fmt: skip


def _behind(line: str, kind: str, src: str) -> str | None:
    """For whom ``src`` asked, by its own word."""
    if kind == "web":
        found = _BEHIND.search(line) if line.endswith('"') else None
        return normal_ip(found["src"]) if found else None
    if "for" not in line.lower() and "xff" not in line.lower() and "real" not in line.lower():
        return None
    named = (normal_ip(match.group(2)) for match in _KEY.finditer(line) if _NAMES[match.group(1).lower()] == "behind")
    other = next((ip for ip in named if ip), None)
    return other if other != src else None


def may_be_log_line(line: str) -> bool:
    """False where no address can be in it, not even a defanged one: cheap to ask of every line of a letter."""
    return line.count(".") >= 3 or line.count(":") >= 2 or "[" in line or "(" in line or "{" in line


def may_name_address(line: str) -> bool:
    return line.count(".") >= 3 or line.count(":") >= 2


def time_of(line: str, zone: str | None, reference: datetime | None) -> Moment | None:
    """The time of a log line: Fortinet's date= time= tz=, syslog without year, or any full time in it."""
    if "date=" in line and "time=" in line:
        fields = dict(pair.split("=", 1) for pair in line.replace('"', "").split() if "=" in pair)
        moment = read_time(f"{fields.get('date', '')} {fields.get('time', '')} {fields.get('tz', zone or '')}".strip())
        if moment is not None:
            return moment
    match = _SYSLOG.match(line)
    if match:
        written, own = match.groups()
        words = written.split()
        if len(words) == 4:
            return _as_written(read_time(f"{words[1]} {words[0]} {words[2]} {words[3]} {own or zone or ''}".strip()), written)
        return _as_written(read_time(f"{written} {own or zone or ''}".strip(), reference=reference), written)
    if line[:1] == "1" and line[:10].isdecimal() and line[10:11] in (" ", ".", "\t"):  # seconds since 1970 stand first
        return read_time(line[:10])
    if _BARE_CLOCK.match(line):
        return None
    match = _MONTH_FIRST.match(line)
    if match:
        written, month, day, year, clock = match.groups()
        if not year and 1 <= int(month) <= 12:  # Snort leaves the year out
            short = f"{_MONTHS[int(month) - 1]} {day} {clock} {zone or ''}"
            return _as_written(read_time(short.strip(), reference=reference), written)
        return _as_written(read_time(f"{year}-{month}-{day} {clock} {zone or ''}".strip()), written)
    match = _MIKROTIK.match(line)
    if match:
        written, month, day, year, clock = match.groups()
        text = f"{day} {month} {year} {clock}" if year else f"{month} {day} {clock}"
        return _as_written(read_time(f"{text} {zone or ''}".strip(), reference=reference), written)
    match = _ASCTIME.search(line[:60])
    if match:
        month, day, clock, year = match.groups()
        return _as_written(read_time(f"{day} {month} {year} {clock} {zone or ''}".strip()), match.group().strip("[]"))
    said = find_said(line[:400], zone=zone, reference=reference)
    return said[0].moment if said else None


def _as_written(moment: Moment | None, written: str) -> Moment | None:
    return moment and Moment(moment.at, written, moment.earliest, moment.latest, moment.note)


def _ends(line: str):
    for kind, reader in _READERS:
        found = reader(line)
        if found is not None and normal_ip(found[0]) is not None:
            src, sport, dst, dport, protocol = found
            return kind, normal_ip(src), sport, normal_ip(dst) if dst else None, dport, protocol
    return None


def _from_keys(line: str):
    if "=" not in line and '":' not in line and "':" not in line:
        return None
    keys: dict[str, str] = {}
    named: dict[str, str] = {}
    for match in _KEY.finditer(line):
        keys.setdefault(_NAMES[match.group(1).lower()], match.group(2))
        named.setdefault(_NAMES[match.group(1).lower()], match.group(1).lower())
    before = normal_ip(_split(keys.get("src", ""))[0])
    if normal_ip(keys.get("behind", "")) and (not is_global(before) or named.get("src") in ("peer", "peer_ip")):
        # Whoever came is a machine of the reporter's own, or the log itself tells a peer from the client.
        keys = {"src": keys["behind"], **{key: keys[key] for key in ("dst", "dport", "proto") if key in keys}}
        keys["peer"] = before or ""
    if "src" not in keys or not (len(keys) > 1):
        return None
    src, sport = _split(keys["src"])
    dst, dport = _split(keys.get("dst", ""))
    protocol = keys.get("proto", "").lower()
    return (
        src,
        keys.get("sport") or sport,
        dst or None,
        keys.get("dport") or dport,
        {"6": "tcp", "17": "udp", "1": "icmp"}.get(protocol, protocol) or None,
    )


def from_fields(fields: dict[str, str]) -> LogLine | None:
    """A line from named values, as a JSON object holds them."""
    line = " ".join(f'{key}="{value}"' for key, value in fields.items() if value and '"' not in value)
    return read_log_line(line)


def _split(text: str) -> tuple[str, str | None]:
    if normal_ip(text):
        return text, None
    for mark in (":", "/"):
        host, _, port = text.rpartition(mark)
        if port.isdigit() and normal_ip(host):
            return host, port
    return text, None


_NAMES = {
    **dict.fromkeys("xff x_forwarded_for x-forwarded-for forwarded_for real_ip x_real_ip x-real-ip".split(), "behind"),
    **dict.fromkeys(
        (
            "src srcip src_ip srcaddr source source_ip sourceip saddr sip s_ip c-ip client_ip clientip attacker attacker_ip "
            "remote_ip remote_addr src-ip src_addr source_addr sourceaddress source.ip client client_addr client.ip attackerip remote "
            "remote_host remoteip remoteaddr remotehost rhost ip_src offender peer peer_ip"
        ).split(),
        "src",
    ),
    **dict.fromkeys(
        (
            "dst dstip dst_ip dstaddr destination dest_ip destination_ip destip daddr dip target target_ip dst-ip server_ip "
            "serverip local_ip host_ip dest server_addr destination.ip dst_addr dest_addr ip_dst victim victim_ip"
        ).split(),
        "dst",
    ),
    **dict.fromkeys(
        "spt sport srcport src_port source_port s_port src-port sourceport source.port client_port remote_port peer_port cport c_port".split(),
        "sport",
    ),
    **dict.fromkeys(["dpt", "dport", "dstport", "dst_port", "destination_port", "dest_port", "dst-port"], "dport"),
    **dict.fromkeys(("proto", "protocol"), "proto"),
}


def _grouped(expression, needs: tuple[str, ...] = ()):
    def read(line: str):
        if needs and not any(word in line for word in needs):
            return None
        match = expression.search(line)
        if not match:
            return None
        groups = {key: value for key, value in match.groupdict().items() if value}

        def first(name: str):
            return next((value for key, value in groups.items() if key.startswith(name)), None)

        src = (first("src") or "").strip("[]").removeprefix("IPv6:")
        return (src, first("sport"), (first("dst") or "").strip("[]") or None, first("dport"), None) if src else None

    return read


def _failed_from(line: str):
    """``… failed … from ADDRESS`` in a line that has the form of a log's: exactly one address stands so."""
    if not (_LOGGED.search(line) and _FAILED.search(line)):
        return None
    found = [match for match in _FROM.finditer(line) if normal_ip(match["src"])]
    if len({match["src"] for match in found}) != 1:
        return None
    return found[0]["src"], found[0]["sport"] or found[0]["sport_p"], None, None, None


def _arrow(line: str):
    found = _grouped(_ARROW, (">", "→", "⇒", "»"))(line)
    if found is None:
        return None
    low = line.lower()
    return (*found[:4], next((name for name in ("tcp", "udp", "icmp") if name in low), None))


_READERS = (
    ("firewall", _from_keys),
    ("cisco", _grouped(_CISCO, ("%ASA", "%PIX", "%FWSM", "%FTD"))),
    ("cisco", _grouped(_CISCO_PLAIN, ("%ASA", "%PIX", "%FTD"))),
    ("cisco", _grouped(_CISCO_USER, ("%ASA", "%PIX", "%FTD", "%FWSM"))),
    ("firewall", _grouped(_FILTERLOG, ("filterlog",))),
    ("honeypot", _grouped(_HONEYPOT, ("onnection", "cowrie", "HoneyPot"))),
    ("sip", _grouped(_SIP)),
    ("arrow", _arrow),
    ("fail2ban", _grouped(_FAIL2BAN, ("fail2ban",))),
    ("web", _grouped(_HAPROXY, ("haproxy",))),
    ("web", _grouped(_WEB, ("[",))),
    ("web", _grouped(_WEB_ERROR, ("lient", "emote"))),
    ("mail", _grouped(_EXIM, ("[",))),
    ("mail", _grouped(_MAIL)),
    ("sshd", _grouped(_SSHD)),
    ("ftp", _grouped(_VSFTPD, ("Client",))),
    ("dns", _grouped(_BIND, ("#",))),
    ("other", _failed_from),
)


def _port(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and 0 < int(text) < 65_536 else None
