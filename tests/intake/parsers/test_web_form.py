"""What our own form sends: believed from the form alone, read whatever it holds, shown to customers without its sender."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.intake.samples import own_samples
from tipstaff.intake.drafts import Confidence, Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import web_form
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import ParseError
from tipstaff.reports.redaction import as_customer_sees
from tipstaff.reports.scrubbing import Scope, networks

(LOGIN,) = (sample.raw for sample in own_samples() if sample.path.name == "login.json")
FORM = Hints(source="Web form", source_kind="form")


def test_only_the_form_is_believed():
    for kind in (None, "smtp", "imap", "api", "files", "pull"):
        (message,) = open_message(LOGIN, Hints(filename="login.json", source_kind=kind))
        assert web_form.claims(message) is Confidence.NONE
    (message,) = open_message(LOGIN, FORM)
    assert web_form.claims(message) is Confidence.CERTAIN
    mailed = b"From: a@b.example\nSubject: x\nContent-Type: application/json\n\n" + LOGIN
    assert not any(draft.format == "web-form" for draft in read_submission(mailed, Hints(source_kind="smtp")))


def test_a_sealed_kind_is_sealed():
    where = [{"url": "http://192.0.2.7/placeholder"}]
    document = {"schema": web_form.SCHEMA, "category": "csam", "locators": where, "description": ""}
    (draft,) = read_submission(json.dumps(document).encode(), FORM)
    assert draft.sealed and draft.disposition is Disposition.NEEDS_A_PERSON
    assert (draft.subject, draft.description) == (None, None)


def test_the_customer_sees_what_happened_and_not_who_says_so():
    scope = Scope(networks=networks(["192.0.2.83"]), names=("Rita Reporter",), mail_domains=("reporter.example.org",))
    text = "\n".join(section.text for section in as_customer_sees(open_message(LOGIN, FORM), scope))
    assert "192.0.2.83" in text and "Somebody tries passwords." in text
    assert "Rita" not in text and "reporter.example.org" not in text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("category", "sent_at", "subject", "description", "occurred_at", "locators", "details", "reporter", "copyright", "text")
ROWS = st.lists(st.dictionaries(st.sampled_from(["ip", "port", "url", "domain"]), VALUES) | VALUES, max_size=4)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), ROWS)
def test_whatever_stands_in_the_fields_only_parse_errors_leave(values, rows):
    document = {"schema": web_form.SCHEMA, **values, "locators": rows}
    for message in open_message(json.dumps(document).encode(), FORM):
        if web_form.claims(message) is Confidence.NONE:
            continue
        try:
            (draft,) = web_form.parse(message)
        except ParseError:
            continue
        for event in draft.events:
            assert event.ip or event.url or event.domain
            assert not event.ip or event.found_in["ip"]
