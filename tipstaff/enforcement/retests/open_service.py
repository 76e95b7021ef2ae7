"""Does an open service still answer strangers? One harmless question in its own protocol, from outside the customer's network.

Sources: RFC 1035 (DNS), RFC 5905 (NTP client mode), RFC 3416 (SNMP get), the memcached text protocol, UPnP 1.1 (SSDP),
RFC 864 (character generator), RFC 4511 (LDAP root DSE); any other port is asked with a TCP connection alone.
"""

import socket

from tipstaff.enforcement.retests.contract import MOST, OK, PATIENCE, STILL, UNCLEAR, Seen, Space, host_port

_DNS = bytes.fromhex("1b390100000100000000000007") + b"example" + bytes.fromhex("03636f6d0000010001")
_NTP = bytes([0x23]) + bytes(47)
_SNMP = bytes.fromhex("302602010104067075626c6963a019020400000001020100020100300b300906052b060102010500")
_SSDP = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n'
_LDAP = bytes.fromhex("3025020101632004000a01000a0100020100020100010100870b6f626a656374636c6173733000")
_MEMCACHED = bytes.fromhex("0001000000010000") + b"version\r\n"

#: UDP port → (service, the question, what an answer must hold to be one).
UDP: dict[int, tuple[str, bytes, bytes]] = {
    19: ("chargen", b"\r\n", b""),
    53: ("dns", _DNS, _DNS[:2]),
    123: ("ntp", _NTP, b""),
    161: ("snmp", _SNMP, b"public"),
    389: ("cldap", _LDAP, b""),
    1900: ("ssdp", _SSDP, b"HTTP/1.1"),
    11211: ("memcached", _MEMCACHED, b"VERSION"),
}
REPEAT = 3  # datagrams get lost: silence is believed after so many


def look(target: str, space: Space) -> Seen:
    """``target``: 'ADDRESS:PORT/what', for instance '192.0.2.7:123/scan_ntp'. Raises Refused outside our own space."""
    place, _, what = target.partition("/")
    host, port = host_port(place)
    address = str(space.check(host))
    if port in UDP and "tcp" not in what:
        return _ask_udp(address, port)
    return _ask_tcp(address, port)


def _ask_udp(address: str, port: int) -> Seen:
    name, question, mark = UDP[port]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(PATIENCE / REPEAT)
        channel.connect((address, port))
        for _ in range(REPEAT):
            try:
                channel.send(question)
                return judge_answer(name, question, channel.recv(MOST), mark)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                return Seen(OK, f"nothing listens: {name} port {port} is closed", {"service": name, "asked": REPEAT})
            except OSError as error:
                return Seen(UNCLEAR, f"{name} could not be asked: {error.strerror or error}", {"service": name})
    return Seen(OK, f"{name} did not answer {REPEAT} questions", {"service": name, "asked": REPEAT}, question)


def judge_answer(name: str, question: bytes, answer: bytes, mark: bytes) -> Seen:
    """What an answer to a question of ours means. A DNS server that refuses strangers answers, and is in order."""
    evidence = b"> " + question + b"\n< " + answer
    detail = {"service": name, "bytes": len(answer), "factor": round(len(answer) / max(1, len(question)), 2)}
    if name == "dns" and len(answer) >= 4 and answer[:2] == mark:
        refused, recursion = answer[3] & 0x0F == 5, bool(answer[3] & 0x80)
        if refused or not recursion:
            return Seen(OK, "the name server answers, and refuses recursion to strangers", detail, evidence)
        return Seen(STILL, "the name server resolves names for strangers", detail, evidence)
    if mark and mark not in answer:
        return Seen(UNCLEAR, f"something answers on the port, but not as {name} does", detail, evidence)
    return Seen(STILL, f"{name} answers strangers, {detail['factor']} times what was asked", detail, evidence)


def _ask_tcp(address: str, port: int) -> Seen:
    try:
        with socket.create_connection((address, port), timeout=PATIENCE) as channel:
            channel.settimeout(2.0)
            try:
                banner = channel.recv(1024)
            except TimeoutError:
                banner = b""
            return Seen(STILL, f"TCP port {port} takes connections from strangers", {"banner": len(banner)}, banner)
    except ConnectionRefusedError:
        return Seen(OK, f"TCP port {port} is closed")
    except TimeoutError:
        return Seen(OK, f"TCP port {port} does not answer strangers")
    except OSError as error:
        return Seen(UNCLEAR, f"the address cannot be reached: {error.strerror or error}")
