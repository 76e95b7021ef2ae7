"""Who may do what: every role, and every act with the roles that may do it. Data only; asked through access.py.

The roles are those of the requirements' section O. Three of them never sign in at the desk: a reporter uses the public
pages and the API, a customer and a reseller the portal; what they may do is decided there, by what is theirs.
"""

from dataclasses import dataclass
from typing import Final

REPORTER, CUSTOMER, RESELLER = "reporter", "customer", "reseller"
ANALYST, LEAD, COUNSEL, LIAISON = "analyst", "lead", "counsel", "liaison"
BILLING, NETWORK, AUDITOR, ADMIN = "billing", "network", "auditor", "admin"


@dataclass(frozen=True)
class Role:
    """One role: its name in the database and on the command line, as people read it, and what it is for."""

    name: str
    title: str
    purpose: str
    staff: bool = True


TABLE: Final = (
    Role(REPORTER, "reporter", "complains, and follows what becomes of it", staff=False),
    Role(CUSTOMER, "customer", "answers for its own services in the portal", staff=False),
    Role(RESELLER, "reseller", "a customer who also follows its clients' cases", staff=False),
    Role(ANALYST, "analyst", "works intake and cases"),
    Role(LEAD, "lead", "works cases, decides what takes a second person or more weight, keeps rules and sources"),
    Role(COUNSEL, "counsel", "decides what the law asks; one of the two roles of the sealed queue"),
    Role(LIAISON, "authority liaison", "deals with authorities; one of the two roles of the sealed queue"),
    Role(BILLING, "billing", "sees customers, figures, interruptions and credits; no evidence, no reporters"),
    Role(NETWORK, "network operator", "reads cases and carries out what was ordered; opens no evidence"),
    Role(AUDITOR, "auditor", "reads everything but what is sealed, and the record; changes nothing"),
    Role(ADMIN, "admin", "keeps staff, settings and editions of the policy"),
)
TITLES: Final = {role.name: role.title for role in TABLE}
STAFF: Final = tuple(role.name for role in TABLE if role.staff)

#: The two named roles that see the sealed queue and restricted cases (B17), and nobody else.
SEALED_QUEUE: Final = frozenset({COUNSEL, LIAISON})
#: Who works cases; who reads the desk beside them.
WORKERS: Final = frozenset({ANALYST, LEAD, COUNSEL, ADMIN})
READERS: Final = WORKERS | {AUDITOR, NETWORK}
_KEEPERS: Final = frozenset({LEAD, ADMIN})

#: Every act that takes a role, and the roles of which one is enough.
ACTS: Final[dict[str, frozenset[str]]] = {
    # customers and the inventory
    "see customers": READERS | {BILLING},
    "confirm a contact": frozenset({ANALYST, LEAD, ADMIN}),
    "edit a customer": _KEEPERS,
    "correct an assignment": _KEEPERS,
    "import the inventory": _KEEPERS,
    "export the inventory": _KEEPERS | {AUDITOR},
    # reports and cases
    "read the desk": READERS,
    "see submissions": READERS - {NETWORK},
    "see cases": READERS,
    "open evidence": READERS - {NETWORK},
    "see the sealed queue": SEALED_QUEUE,
    "answer to an authority": SEALED_QUEUE | _KEEPERS,
    "see restricted cases": SEALED_QUEUE,
    "work cases": WORKERS,
    "decide as a lead": _KEEPERS,
    "decide an appeal": frozenset({ANALYST, LEAD, COUNSEL}),
    "terminate a customer": frozenset({LEAD, COUNSEL}),
    # what is done to a service
    "see orders": READERS | {BILLING},
    "approve an order": frozenset({ANALYST, LEAD}),
    "approve a wide order": frozenset({LEAD}),
    "carry out an order": frozenset({NETWORK, LEAD}),
    "see interruptions and credits": READERS | {BILLING},
    "grant a credit": frozenset({BILLING, LEAD}),
    # the desk itself
    "change settings": _KEEPERS,
    "publish policy": frozenset({ADMIN, LEAD, COUNSEL}),
    "see figures": READERS | {BILLING, LIAISON},
    "see holds": frozenset({LEAD, COUNSEL, AUDITOR, ADMIN}),
    "place a hold": frozenset({LEAD, COUNSEL, ADMIN}),
    "release a hold": frozenset({COUNSEL}),
    "see the record": frozenset({AUDITOR, ADMIN, COUNSEL}),
    "manage staff": frozenset({ADMIN}),
    "erase the sample": _KEEPERS,
}
