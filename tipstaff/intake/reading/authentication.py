"""Who a mail authentically comes from: Authentication-Results (RFC 8601), read only from servers that the operator trusts."""

from dataclasses import dataclass

from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_domain
from tipstaff.intake.reading.patterns import pattern

_COMMENT = pattern(r"\([^()]*\)")
_RESULT = pattern(r"(?i)^\s*(spf|dkim|dmarc|arc)(?:/\d+)?\s*=\s*([a-z]+)")
_DOMAIN = pattern(
    r"(?i)\b(?:header\.d|header\.i|header\.from|smtp\.mailfrom|smtp\.helo|policy\.d)\s*=\s*\"?(?:[^\s;\"@]*@)?([a-z0-9._-]+)"
)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A domain for which a trusted server says ``pass``, and by which method ('dmarc', 'dkim', 'spf')."""

    domain: str
    method: str


def authenticated_domains(message: Message) -> list[Authenticated]:
    """The domains that passed, strongest method first. Empty where no trusted server (``hints.trusted_authserv``) wrote a result.

    Only the newest unbroken run of trusted fields counts: anything below a foreign one may be forged by the sender.
    """
    trusted = {name.lower().rstrip(".") for name in message.hints.trusted_authserv}
    found: list[Authenticated] = []
    for value in message.all_headers("authentication-results")[:20]:
        server, _, results = _COMMENT.sub(" ", value).partition(";")
        if (server.split() or [""])[0].lower().rstrip(".") not in trusted:
            break
        for result in results.split(";"):
            found += _passed(result)
    order = {"dmarc": 0, "dkim": 1, "spf": 2}
    return sorted(set(found), key=lambda one: (order[one.method], one.domain))


def _passed(result: str) -> list[Authenticated]:
    match = _RESULT.search(result)
    if not match or match.group(2).lower() != "pass" or match.group(1).lower() == "arc":
        return []
    domain = _DOMAIN.search(result)
    name = normal_domain(domain.group(1)) if domain else None
    return [Authenticated(name, match.group(1).lower())] if name else []
