"""Everything that an edition can say has an effect somewhere, or waits by name for the track that will give it one."""

import ast
import re
import tomllib
from dataclasses import fields
from functools import cache
from importlib import resources

import pytest

from tests.house.source import ROOT
from tipstaff.policy import edition as e
from tipstaff.policy.edition import Handling
from tipstaff.policy.loading import load_packaged, packaged
from tipstaff.policy.switches import Switches

REQUIREMENTS = tomllib.loads((resources.files("tipstaff.policy") / "requirements.toml").read_text("utf-8"))
WAITS: dict[str, str] = REQUIREMENTS["waits"]

#: Where each special handling has its effect: the code asks for it by name there.
HANDLING = {
    Handling.ADVICE_ONLY: "cases/facts.py",
    Handling.AUTHENTICATION_RESULTS: "cases/asked_for.py",
    Handling.AUTHORITY_REPORT: "cases/authority.py",
    Handling.CONFIDENCE_STATED: "cases/asked_for.py",
    Handling.COURT_ORDER_PREFERRED: "cases/asked_for.py",
    Handling.COUNTER_NOTICE: "cases/facts.py",
    Handling.DELISTING_PROOF: "cases/asked_for.py",
    Handling.EMERGENCY_PATH: "cases/openings.py",
    Handling.EVIDENCE_SNAPSHOT: "cases/keeping.py",
    Handling.FIX_PLAN: "cases/asked_for.py",
    Handling.FLOW_PROOF: "cases/asked_for.py",
    Handling.LEDGER_CHECK: "cases/asked_for.py",
    Handling.LEGAL_HOLD: "cases/keeping.py",
    Handling.LOW_VOLUME_MERGE: "policy/checking.py",  # the threshold, which pipeline/matters.py keeps
    Handling.MASK_CARD_NUMBERS: "faces/desk/showing.py",
    Handling.MEASURED_FIGURE: "cases/asked_for.py",
    Handling.MITIGATION_FIRST: "faces/desk/nexts.py",
    Handling.NEVER_OPEN_SAMPLE: "faces/desk/views/case.py",
    Handling.NO_RENDERING: "faces/public/kinds.py",
    Handling.NOTICE_FIRST: "cases/facts.py",
    Handling.PROTECTIVE_MEASURES_FIRST: "cases/asked_for.py",
    Handling.REGISTRATION_RECORD: "cases/asked_for.py",
    Handling.RESTRICTED_VIEW: "cases/disclosing.py",
    Handling.RETEST: "cases/facts.py",
    Handling.RULE_LOCATION: "cases/asked_for.py",
    Handling.SECOND_REVIEWER: "cases/facts.py",
    Handling.SPEECH_GATE: "cases/facts.py",
    Handling.TERMINATION_REVIEW: "cases/facts.py",
    Handling.URL_LEVEL_REMOVAL: "cases/suggesting.py",
    Handling.ZERO_TOLERANCE: "cases/disclosing.py",
}
#: What is done for every kind, whether or not the edition asks for it: the file, and a word that stands in it.
ALWAYS = {
    Handling.KEEP_SOURCE_PORT: ("reports/models.py", "port = models"),
    Handling.PERMIT_MATCH: ("pipeline/permits.py", "def annotate"),
    Handling.RECIPIENT_REDACTED: ("reports/scrubbing.py", '"original-rcpt-to"'),
}

#: Says to whoever reads the edition's file where something comes from; it asks for nothing.
FOR_READERS = "policy/edition.py"
#: Every field of an edition: the file that reads it. Empty: it waits by name.
FIELDS = {
    e.Edition: {
        "pack": "policy/services.py", "version": "policy/services.py", "title": "faces/public/templates/public/policy.html",
        "language": "cases/notices.py", "sections": "policy/contents.py", "clauses": "cases/notices.py",
        "severities": "policy/deadlines.py", "categories": "cases/opening.py", "facts": "policy/clauses.py",
        "exceptions": "policy/clauses.py", "ladder": "policy/ladder.py", "timers": "cases/dues.py",
        "strikes": "cases/backtesting/backtest.py", "reports": "policy/clauses.py", "switches": "cases/facts.py",
        "aliases": "policy/clauses.py", "calendar": "policy/deadlines.py", "content_hash": "policy/services.py",
    },
    e.Category: {
        "code": "cases/opening.py", "title": "cases/notices.py", "clause": "cases/opening.py",
        "also": "faces/desk/templates/desk/case.html", "severity": "cases/opening.py", "resolve": "policy/deadlines.py",
        "resolve_at_most": "policy/deadlines.py", "desk": "policy/deadlines.py", "authority_order": "cases/authority.py",
        "preserve": "cases/keeping.py", "grouping_window": "cases/opening.py", "reopen_within": "pipeline/matters.py",
        "feed_threshold": "pipeline/matters.py", "notice_every": "pipeline/matters.py", "opening": "cases/opening.py",
        "customer_told": "cases/advancing.py", "anonymous_reporter": "policy/clauses.py", "per_se": "policy/deadlines.py",
        "immediate": "cases/restriction.py", "exceptions": "cases/facts.py", "handling": "cases/facts.py",
        "required_facts": "policy/clauses.py", "presumed": "cases/asked_for.py", "report_fields": "policy/clauses.py",
        "labels": "cases/services.py", "xarf": "policy/categories.py", "rsit": "policy/categories.py",
        "automatic": "cases/effects.py", "business_time": "policy/deadlines.py",
    },
    e.Fact: {
        "code": "cases/asked_for.py", "title": "cases/asked_for.py", "row": FOR_READERS,
        "values": "cases/services.py", "before": "policy/clauses.py",
    },
    e.ExceptionRule: {"code": "policy/clauses.py", "title": "faces/public/templates/public/policy.html",
                      "effect": "pipeline/permits.py", "needs": "", "within": ""},
    e.Timers: {
        "ack_at_most": "policy/deadlines.py", "repeat_within": "cases/openings.py", "incomplete_closes": "pipeline/asking.py",
        "quiet_period": "cases/dues.py", "probation": "cases/dues.py", "second_timer": "cases/dues.py",
        "emergency_block": "cases/restriction.py", "retrieval_window": "cases/dues.py", "appeal_within": "cases/appeals.py",
        "child_share": "policy/deadlines.py", "final_warning": "cases/dues.py", "final_notice": "cases/dues.py",
        "dispute_decided": "cases/dues.py", "appeal_decided": "cases/dues.py", "alert_every": "cases/dues.py",
    },
    e.Calendar: dict.fromkeys(("timezone", "days", "opens", "closes", "holidays"), "policy/calendars.py"),
    e.StrikeRule: dict.fromkeys(("limit", "within", "categories"), "cases/backtesting/backtest.py"),
    e.ReportRules: {"required": "policy/clauses.py", "victims": "pipeline/victims_telling.py"},
    e.Ladder: {"mode": "cases/notices.py", "ordered": "cases/facts.py", "reminders": "policy/deadlines.py",
               "steps": "policy/ladder.py"},
    e.Step: {
        "code": "policy/ladder.py", "title": "faces/public/templates/public/policy.html", "clause": "cases/restriction.py",
        "guard": "cases/facts.py", "approval": "cases/restriction.py", "approval_whole_service": "cases/restriction.py",
        "after": "policy/checking.py",  # held equal to timers.second_timer, which dues starts
    },
    e.Clause: {
        "number": "policy/clauses.py", "title": "cases/notices.py", "text": "faces/public/templates/public/policy.html",
        "plain": "cases/notices.py",
        "rows": FOR_READERS, "note": FOR_READERS,
    },
    e.SeverityRule: {"resolve": "policy/deadlines.py", "desk": "policy/deadlines.py"},
    e.Guard: {"any_of": "policy/ladder.py", "all_of": "policy/ladder.py"},
    Switches: {
        "immediate_action": "policy/checking.py", "own_initiative_review": "cases/reviews.py", "speech_gate": "cases/facts.py",
        "exception_kinds": "", "dns_change_basis": "", "registrar_check": "", "disclosure_scopes": "", "disclosure_limit": "",
        "voluntary_crime_report": "", "mail_consent": "", "mail_law_packs": "", "receiving_spam": "cases/facts.py",
        "acknowledgement": "cases/dues.py", "customer_timers": "cases/facts.py", "reporter_notice": "pipeline/telling.py",
        "csam_hard_override": "policy/checking.py", "mailed_media": "pipeline/sealed.py", "sla_exclusion": "enforcement/sla.py",
        "amendments": "", "acceptance": "faces/portal/views/policy.py", "fault_weights": "cases/facts.py",
        "report_channel": "", "test_permits": "", "consent_records": "",
    },
}  # fmt: skip
EVERY = [(shape, field.name) for shape in FIELDS for field in fields(shape)]


def spelt(shape: type, field: str) -> str:
    return f"{re.sub(r'(?<!^)(?=[A-Z])', '_', shape.__name__).lower()}.{field}"


@cache
def read_in(path: str) -> frozenset[str]:
    """Names that are read as attributes in a file, or in a template after a dot."""
    text = (ROOT / "tipstaff" / path).read_text("utf-8")
    if path.endswith(".html"):
        return frozenset(re.findall(r"\.([a-z_]+)", text))
    return frozenset(node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize("handling", list(Handling))
def test_each_special_handling_has_an_effect_or_waits_by_name(handling: Handling) -> None:
    homes = [handling in HANDLING, handling in ALWAYS, f"handling.{handling}" in WAITS]
    assert homes.count(True) == 1, f"{handling} has {homes.count(True)} homes: an effect, or one line under [waits]"
    if handling in HANDLING:
        assert handling.name in read_in(HANDLING[handling]), f"{HANDLING[handling]} does not ask for {handling}"
    elif handling in ALWAYS:
        path, words = ALWAYS[handling]
        assert words in (ROOT / "tipstaff" / path).read_text("utf-8")


def test_what_waits_is_read_nowhere_and_its_track_is_known() -> None:
    files = [path for path in (ROOT / "tipstaff").rglob("*.py") if path.parent.name != "policy"]
    named = {match for path in files for match in re.findall(r"Handling\.([A-Z_]+)", path.read_text("utf-8"))}
    for name, track in WAITS.items():
        assert track in REQUIREMENTS["tracks"]
        kind, _, rest = name.partition(".")
        assert kind != "handling" or rest.upper() not in named, f"{name} has an effect now: take its line away"
    known = {spelt(shape, field) for shape, field in EVERY} | {f"handling.{one}" for one in Handling}
    assert WAITS.keys() <= known


@pytest.mark.parametrize(("shape", "field"), EVERY, ids=[spelt(*one) for one in EVERY])
def test_each_field_of_an_edition_is_read_where_the_table_says_or_waits_by_name(shape: type, field: str) -> None:
    home = FIELDS[shape].get(field)
    assert home is not None, f"{spelt(shape, field)} is new: say where it has its effect"
    assert bool(home) != (spelt(shape, field) in WAITS), f"{spelt(shape, field)}: an effect, or one line under [waits]"
    assert home in ("", FOR_READERS) or field in read_in(home), f"{home} does not read {spelt(shape, field)}"


def test_the_table_has_every_shape_that_an_edition_is_made_of_and_no_field_that_is_gone() -> None:
    shapes = {value for value in vars(e).values() if isinstance(value, type) and hasattr(value, "__dataclass_fields__")}
    assert shapes | {Switches} == set(FIELDS)
    for shape, known in FIELDS.items():
        assert known.keys() == {field.name for field in fields(shape)}


def test_every_special_handling_is_asked_for_by_some_pack() -> None:
    asked = {one for pack in packaged() for kind in load_packaged(pack).categories.values() for one in kind.handling}
    assert asked == set(Handling)
