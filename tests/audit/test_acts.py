"""Which acts are on the record: each kind that the policy names, where the code that does it lives."""

import re

import pytest

from tests.house.source import ROOT

#: Act → (the module that does it, the action that it records).
ACTS = {
    "a decision about a case": ("tipstaff/cases/writing.py", r'action="case\.decide"'),
    "cases that open": ("tipstaff/cases/bulk.py", r'action="case\.open"'),
    "a merge, split or move": ("tipstaff/cases/rearranging.py", r'action="case\.merge"'),
    "a restriction": ("tipstaff/cases/restriction.py", r'action="case\.restriction_approved"'),
    "an emergency block": ("tipstaff/cases/restriction.py", r'action="case\.emergency_block"'),
    "a termination": ("tipstaff/cases/termination.py", r'action="case\.terminate"'),
    "an appeal": ("tipstaff/cases/appeals.py", r'action="case\.appeal"'),
    "an order": ("tipstaff/enforcement/moves.py", r'action=f"order\.\{state\}"'),
    "a message sent": ("tipstaff/correspondence/delivery.py", r'action="message\.sent"'),
    "an opening of evidence": ("tipstaff/evidence/services.py", r'action="evidence\.open"'),
    "a reveal of who complained": ("tipstaff/faces/desk/views/compose.py", r'action="reporter\.reveal"'),
    "a look at the sealed queue": ("tipstaff/faces/desk/views/sealed.py", r'action="sealed\.look"'),
    "a seal taken off": ("tipstaff/intake/clearance.py", r'action="sealed\.clear"'),
    "an edition": ("tipstaff/policy/services.py", r'action="policy\.draft"'),
    "a sign-in": ("tipstaff/accounts/sessions.py", r'action="login"'),
    "a sign-out": ("tipstaff/accounts/sessions.py", r'action="logout"'),
    "a failed sign-in": ("tipstaff/faces/desk/arriving.py", r'action="login\.failed"'),
    "a change of roles": ("tipstaff/accounts/staff.py", r'action="staff\.change"'),
    "a second factor": ("tipstaff/accounts/second_factor.py", r'action="second_factor\.add"'),
    "a customer's sign-in": ("tipstaff/faces/portal/signing_in.py", r'action="portal\.login"'),
    "an export of the record": ("tipstaff/faces/cli/audit.py", r'action="audit\.export"'),
}


@pytest.mark.parametrize("act", ACTS)
def test_it_is_recorded_where_it_is_done(act) -> None:
    module, action = ACTS[act]
    assert re.search(action, (ROOT / module).read_text()), f"{act} is not recorded by {module}"


def test_names_of_actions_are_plain_words() -> None:
    named = set()
    for path in (ROOT / "tipstaff").rglob("*.py"):
        named |= set(re.findall(r'\brecord(?:_many)?\([^)]*?action="([^"]+)"', path.read_text(), re.DOTALL))
    assert len(named) > 40
    assert [name for name in named if not re.fullmatch(r"[a-z_ .]+", name)] == []
