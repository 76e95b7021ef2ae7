"""Does a mail server still take mail from a stranger to a stranger? A dialogue up to RCPT (RFC 5321); no mail is ever sent."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from tipstaff.enforcement.retests.bounded import connected
from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR, Seen, Space, host_port

MOST_LINES = 100


@dataclass(frozen=True, slots=True)
class Parties:
    """Who speaks, and two addresses that the server does not serve: both are the operator's own or documentation names."""

    helo: str = "retest.example.net"
    sender: str = "retest@example.net"
    recipient: str = "retest@example.org"

    def variants(self) -> Sequence[tuple[str, str]]:
        """(sender, recipient) pairs that careless servers let through: plainly, from nobody, and by the percent route."""
        local, _, domain = self.recipient.partition("@")
        return (self.sender, self.recipient), ("", self.recipient), (self.sender, f"{local}%{domain}@localhost")


def look(target: str, space: Space, parties: Parties | None = None) -> Seen:
    """``target``: 'ADDRESS:PORT'. Raises Refused outside our own space."""
    host, port = host_port(target, default=25)
    address = str(space.check(host))
    parties = parties or Parties()
    transcript: list[str] = []
    try:
        with connected(address, port) as channel:
            stream = channel.makefile("rb")
            return _talk(channel, stream, parties, transcript)
    except ConnectionRefusedError:
        return Seen(OK, f"nothing takes mail on port {port}")
    except TimeoutError:
        if transcript:
            return Seen(UNCLEAR, "the server stopped answering", evidence="\n".join(transcript).encode())
        return Seen(OK, f"port {port} does not answer strangers")
    except OSError as error:
        return Seen(UNCLEAR, f"the server cannot be asked: {error.strerror or error}", evidence="\n".join(transcript).encode())


def _talk(channel: socket.socket, stream, parties: Parties, transcript: list[str]) -> Seen:  # type: ignore[no-untyped-def]
    def say(line: str) -> int:
        transcript.append(f"> {line}")
        channel.sendall(f"{line}\r\n".encode())
        return _answer(stream, transcript)

    if _answer(stream, transcript) != 220 or say(f"EHLO {parties.helo}") // 100 != 2:
        return Seen(UNCLEAR, "it does not speak as a mail server does", evidence="\n".join(transcript).encode())
    answers = []
    for sender, recipient in parties.variants():
        mail = say(f"MAIL FROM:<{sender}>")
        rcpt = say(f"RCPT TO:<{recipient}>") if mail // 100 == 2 else mail
        answers.append(rcpt)
        if say("RSET") // 100 != 2:
            break
    say("QUIT")
    return judge(answers, "\n".join(transcript).encode())


def judge(answers: Sequence[int], transcript: bytes) -> Seen:
    """From the answers to RCPT, one for each variant: 2xx takes mail for a stranger, 4xx puts off, 5xx refuses."""
    detail = {"answers": list(answers)}
    if any(code // 100 == 2 for code in answers):
        return Seen(STILL, "it takes mail from a stranger to a stranger", detail, transcript)
    if answers and all(code // 100 == 5 for code in answers):
        return Seen(OK, "it refuses to relay for strangers", detail, transcript)
    return Seen(UNCLEAR, "it puts the question off (greylisting)", detail, transcript)


def _answer(stream, transcript: list[str]) -> int:  # type: ignore[no-untyped-def]
    """The code of one answer of one or more lines; 0 for what is none."""
    for _ in range(MOST_LINES):
        line = stream.readline(1024).decode("ascii", "replace").rstrip("\r\n")
        if not line:
            return 0
        transcript.append(f"< {line}")
        if len(line) < 4 or line[3] != "-":
            return int(line[:3]) if line[:3].isdecimal() else 0
    return 0
