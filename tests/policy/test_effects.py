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

#: Says to whoever reads the edition's file where something comes from, or what it is called; it asks for nothing.
FOR_READERS = "policy/edition.py"
WAITING = ""  # by name, under [waits]


def by_field(homes: dict[str, str]) -> dict[str, str]:
    """{'a.py': 'one two'} → {'one': 'a.py', 'two': 'a.py'}"""
    return {field: path for path, names in homes.items() for field in names.split()}


#: Every field of an edition, under the file that reads it.
FIELDS = {
    e.Edition: by_field({
        "policy/services.py": "pack version content_hash",
        "faces/public/templates/public/policy.html": "title",
        "cases/notices.py": "language clauses",
        "policy/contents.py": "sections",
        "policy/deadlines.py": "severities calendar",
        "cases/opening.py": "categories",
        "policy/clauses.py": "facts exceptions reports aliases",
        "policy/ladder.py": "ladder",
        "cases/dues.py": "timers",
        "cases/backtesting/backtest.py": "strikes",
        "cases/facts.py": "switches",
    }),
    e.Category: by_field({
        "cases/opening.py": "code clause severity grouping_window opening",
        "cases/notices.py": "title",
        "faces/desk/templates/desk/case.html": "also",
        "policy/deadlines.py": "resolve resolve_at_most desk per_se business_time",
        "cases/authority.py": "authority_order",
        "cases/keeping.py": "preserve",
        "pipeline/matters.py": "reopen_within feed_threshold notice_every",
        "cases/advancing.py": "customer_told",
        "policy/clauses.py": "anonymous_reporter required_facts report_fields",
        "cases/restriction.py": "immediate",
        "cases/facts.py": "exceptions handling",
        "cases/asked_for.py": "presumed",
        "cases/services.py": "labels",
        FOR_READERS: "xarf rsit",
        "cases/effects.py": "automatic",
    }),
    e.Fact: by_field({
        "cases/asked_for.py": "code title",
        FOR_READERS: "row",
        "cases/services.py": "values",
        "policy/clauses.py": "before",
    }),
    e.ExceptionRule: by_field({
        "policy/clauses.py": "code",
        "faces/desk/nexts.py": "title",
        "pipeline/permits.py": "effect",
        WAITING: "needs within",
    }),
    e.Timers: by_field({
        "policy/deadlines.py": "ack_at_most child_share",
        "cases/openings.py": "repeat_within",
        "pipeline/asking.py": "incomplete_closes",
        "cases/dues.py": "quiet_period probation second_timer retrieval_window final_warning final_notice"
        " dispute_decided appeal_decided alert_every",
        "cases/restriction.py": "emergency_block",
        "cases/appeals.py": "appeal_within",
    }),
    e.Calendar: by_field({"policy/calendars.py": "timezone days opens closes holidays"}),
    e.StrikeRule: by_field({"cases/backtesting/backtest.py": "limit within categories"}),
    e.ReportRules: by_field({
        "policy/clauses.py": "required",
        "pipeline/victims_telling.py": "victims",
    }),
    e.Ladder: by_field({
        "cases/notices.py": "mode",
        "cases/facts.py": "ordered",
        "policy/deadlines.py": "reminders",
        "policy/ladder.py": "steps",
    }),
    e.Step: by_field({
        "policy/ladder.py": "code",
        FOR_READERS: "title",
        "cases/restriction.py": "clause approval approval_whole_service",
        "cases/facts.py": "guard",
        "policy/checking.py": "after",
    }),
    e.Clause: by_field({
        "policy/clauses.py": "number",
        "cases/notices.py": "title plain",
        "faces/public/templates/public/policy.html": "text",
        FOR_READERS: "rows note",
    }),
    e.SeverityRule: by_field({"policy/deadlines.py": "resolve desk"}),
    e.Guard: by_field({"policy/ladder.py": "any_of all_of"}),
    Switches: by_field({
        "policy/checking.py": "immediate_action csam_hard_override",
        "cases/reviews.py": "own_initiative_review",
        "cases/facts.py": "speech_gate receiving_spam customer_timers fault_weights",
        WAITING: "exception_kinds dns_change_basis registrar_check disclosure_scopes disclosure_limit voluntary_crime_report"
        " mail_consent mail_law_packs amendments report_channel test_permits consent_records",
        "cases/dues.py": "acknowledgement",
        "pipeline/telling.py": "reporter_notice",
        "pipeline/sealed.py": "mailed_media",
        "enforcement/sla.py": "sla_exclusion",
        "faces/portal/views/policy.py": "acceptance",
    }),
}  # fmt: skip
#: What a thing of each shape is called where its fields are read: ``edition.timers.probation`` is a field of the timers, and
#: ``clause.title`` says nothing of an exception's.
CALLED = {
    e.Edition: {"edition"}, e.Category: {"category", "categories", "entry", "kind", "kind_of"}, e.Fact: {"fact", "facts"},
    e.ExceptionRule: {"exceptions", "candidate"}, e.Timers: {"timers"}, e.Calendar: {"calendar"}, e.StrikeRule: {"rule"},
    e.ReportRules: {"reports"}, e.Ladder: {"ladder"}, e.Step: {"step"}, e.Clause: {"clause"}, e.SeverityRule: {"rule", "times"},
    e.Guard: {"guard"}, Switches: {"switches"},
}  # fmt: skip
EVERY = [(shape, field.name) for shape in FIELDS for field in fields(shape)]


def spelt(shape: type, field: str) -> str:
    return f"{re.sub(r'(?<!^)(?=[A-Z])', '_', shape.__name__).lower()}.{field}"


@cache
def read_in(path: str) -> frozenset[tuple[str, str]]:
    """What is read in a file or a template, as (what it is read of, name): 'kind' and 'desk' for ``edition.kind[code].desk``."""
    text = (ROOT / "tipstaff" / path).read_text("utf-8")
    if path.endswith(".html"):
        return frozenset(re.findall(r"(\w+)\.(?=([a-z_]+))", text))
    return frozenset((called(node.value), node.attr) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute))


def called(value: ast.expr) -> str:
    """The last name of an expression, without what stands in brackets behind it."""
    while isinstance(value, ast.Subscript | ast.Call):
        value = value.value if isinstance(value, ast.Subscript) else value.func
    return value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""


@pytest.mark.parametrize("handling", list(Handling))
def test_each_special_handling_has_an_effect_or_waits_by_name(handling: Handling) -> None:
    homes = [handling in HANDLING, handling in ALWAYS, f"handling.{handling}" in WAITS]
    assert homes.count(True) == 1, f"{handling} has {homes.count(True)} homes: an effect, or one line under [waits]"
    if handling in HANDLING:
        assert ("Handling", handling.name) in read_in(HANDLING[handling]), f"{HANDLING[handling]} does not ask for {handling}"
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
    read = home in (WAITING, FOR_READERS) or any((name, field) in read_in(home) for name in CALLED[shape])
    assert read, f"{home} does not read {spelt(shape, field)} of {' or '.join(sorted(CALLED[shape]))}"


def test_the_table_has_every_shape_that_an_edition_is_made_of_and_no_field_that_is_gone() -> None:
    shapes = {value for value in vars(e).values() if isinstance(value, type) and hasattr(value, "__dataclass_fields__")}
    assert shapes | {Switches} == set(FIELDS)
    for shape, known in FIELDS.items():
        assert known.keys() == {field.name for field in fields(shape)}


def test_every_special_handling_is_asked_for_by_some_pack() -> None:
    asked = {one for pack in packaged() for kind in load_packaged(pack).categories.values() for one in kind.handling}
    assert asked == set(Handling)


def test_a_name_that_is_read_of_something_else_proves_nothing() -> None:
    page = read_in("faces/public/templates/public/policy.html")
    assert {("clause", "title"), ("edition", "title")} <= page and ("step", "title") not in page
    assert ("timers", "probation") in read_in("cases/dues.py") and ("categories", "immediate") in read_in("cases/restriction.py")
