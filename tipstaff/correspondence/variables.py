"""The variables of messages: what each means, and a value for previews. Pure.

Every message to customers may use all of CUSTOMER; messages to reporters only REPORTER, in which there is nothing about the
customer. A variable that does not apply is empty, and false in a condition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Variable:
    meaning: str
    sample: Any


_BOTH = {
    "operator": Variable("the provider's name", "Northgate Networks"),
    "contact": Variable("the name of whoever is written to", "Carol Meyer"),
    "category": Variable("the kind of conduct, in the message's language", "Phishing"),
    "title": Variable("what happened, in a few words", "a case was opened"),
    "outcome": Variable("how it ended, as a sentence", "the cause was removed."),
    "reason": Variable("why, as whoever decided wrote it for the outside", "the page still answered at 14:00"),
    "text": Variable("what a person wrote", "Thank you for taking the page down.\nHow did it get there?"),
    "due": Variable("the time that the message is about", "2026-06-15 14:20 CEST (12:20 UTC)"),
    "day": Variable("the day that a digest is about", "2026-06-14"),
}
CUSTOMER: Mapping[str, Variable] = _BOTH | {
    "case_number": Variable("the case's number", "4312"),
    "customer": Variable("the customer's name", "Larkfield Web"),
    "client": Variable("a reseller's client", "Larkfield Shop"),
    "service": Variable("the service it is about", "web-07"),
    "where": Variable("address or host", "203.0.113.7"),
    "seen": Variable("first and last observation", "2026-06-14 10:02 CEST (08:02 UTC)"),
    "reports": Variable("how many reports", "14"),
    "events": Variable("how many observations", "31"),
    "clause_number": Variable("the clause", "4.2"),
    "clause_title": Variable("its title", "Deception"),
    "clause_plain": Variable("the clause in plain words", "Do not pretend to be somebody else to get data."),
    "acknowledge_due": Variable("until when to acknowledge", "2026-06-15 02:20 CEST (00:20 UTC)"),
    "resolve_due": Variable("until when to resolve", "2026-06-15 14:20 CEST (12:20 UTC)"),
    "second_due": Variable("when a disconnected service may end", "2026-06-25 14:20 CEST (12:20 UTC)"),
    "old_due": Variable("the time before a change", "2026-06-15 14:20 CEST (12:20 UTC)"),
    "new_due": Variable("the time after a change", "2026-06-16 14:20 CEST (12:20 UTC)"),
    "clock": Variable("which time a reminder is about: acknowledge or resolve", "resolve"),
    "percent": Variable("how much of it is over", "80"),
    "measure": Variable("what is or would be restricted", "page https://shop.example/login, blocked"),
    "since": Variable("since when", "2026-06-15 11:26 CEST (09:26 UTC)"),
    "expires": Variable("when it ends by itself", "2026-06-16 11:26 CEST (09:26 UTC)"),
    "probation_until": Variable("until when a restored service is watched", "2026-07-15"),
    "appeal_until": Variable("until when an appeal is possible", "2026-12-15"),
    "data_until": Variable("until when content can be fetched", "2026-07-15"),
    "automatic": Variable("decided by an automatic rule", False),
    "own_initiative": Variable("not by a report but by our own observation", False),
    "mandatory": Variable("the policy says will, not may", True),
    "advice_only": Variable("advice, never held against the customer", False),
    "managed_by_us": Variable("the provider manages the service", False),
    "decision": Variable("overturned, upheld or withdrawn", "overturned"),
    "told": Variable("what had been said before", "notice of 2026-06-14"),
    "limit": Variable("how long a message may be", "20,000"),
    "guidance": Variable("what usually helps, a list", ["Remove the page and what brought it.", "Update the shop software."]),
    "evidence": Variable("what was reported, redacted, many lines", "Jun 14 10:02:11 web GET /login/verify 200"),
    "complainant": Variable("who claims a copyright, many lines; only where the policy passes it on", ""),
    "lines": Variable("a digest's lines: category, events", [{"category": "Port scan", "events": "212"}]),
    "portal_url": Variable("the link to the portal", "https://abuse.example.net/c/Zm9v"),
    "policy_url": Variable("the public policy", "https://abuse.example.net/policy/"),
}
REPORTER: Mapping[str, Variable] = _BOTH | {
    "subject": Variable("the subject of the report", "phishing page"),
    "reference": Variable("the reporter's own reference", "PH-2231"),
    "received": Variable("when the report came", "2026-06-14 08:41 UTC"),
    "status_url": Variable("where the report stands, for whoever used the form", "https://abuse.example.net/status/x"),
    "decided_by_law": Variable("a law has us tell this", False),
    "wrong": Variable("how many reports of somebody warned were wrong", "5"),
    "judged": Variable("of how many that were decided", "6"),
    "days": Variable("within how many days", "30"),
    "lines": Variable(
        "what is missing from the report, or which reports were wrong, a list",
        ["the address or the URL", "what happened, with a log"],
    ),
    "confirm_url": Variable("where a reporter confirms that a report is his", "https://abuse.example.net/confirm/x"),
}
STAFF: Mapping[str, Variable] = {
    **CUSTOMER,
    "desk_url": Variable("the case on the desk", "https://abuse.example.net/cases/4312/"),
}


def allowed(kind: str) -> Mapping[str, Variable]:
    """The variables of a kind of message: 'opened', 'outcome.reporter', 'alert.staff'."""
    if kind.endswith(".reporter"):
        return REPORTER
    return STAFF if kind.endswith(".staff") else CUSTOMER


def samples(kind: str) -> dict[str, Any]:
    """A value for each variable of a kind of message."""
    return {name: variable.sample for name, variable in allowed(kind).items()}
