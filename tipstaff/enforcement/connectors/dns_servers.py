"""What a public name server answers, asked over UDP and again over TCP where the answer was cut."""

from dataclasses import dataclass

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from tipstaff.enforcement.connectors.contract import Unanswered


@dataclass(frozen=True)
class Question:
    """A host name without its dot, and the addresses that it has while it is parked."""

    host: str
    addresses4: tuple[str, ...]
    addresses6: tuple[str, ...]


def seen_at(server: tuple[str, int], question: Question, timeout: float) -> bool:
    """Whether that server gives the parking addresses, and no others. Raises Unanswered."""
    kinds = (("A", question.addresses4), ("AAAA", question.addresses6))
    return all(_ask(server, question.host, kind, timeout) == set(wanted) for kind, wanted in kinds if wanted)


def _ask(server: tuple[str, int], host: str, kind: str, timeout: float) -> set[str]:
    query = dns.message.make_query(host, kind)
    try:
        answer, _ = dns.query.udp_with_fallback(query, server[0], port=server[1], timeout=timeout)
    except (OSError, dns.exception.DNSException) as error:
        raise Unanswered(f"name server {server[0]}:{server[1]} does not answer for {host}: {error}") from error
    wanted = dns.rdatatype.from_text(kind)
    return {entry.address for rrset in answer.answer if rrset.rdtype == wanted for entry in rrset}
