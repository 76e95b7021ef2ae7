"""The small language: says where a mistake stands, runs nothing, and no value can become layout or language."""

import contextlib
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.correspondence import catalogue, language, layout, variables
from tipstaff.correspondence.language import OPEN, SHUT
from tipstaff.kernel.errors import InputError


def shown(text, values=None, fragments=None):
    rendered = language.render(language.parse(text, "t"), values or {}, fragments or {}, language.plain)
    return layout.as_text(layout.blocks(rendered), rendered.values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{% if x %}\nb", "endif"),
        ("a\n\n{% endif %}", "line 3: {% endif %} is not known here"),
        ("{{ a b }}", "line 1: '{{ a b }}' is no value"),
        ("{{ a|shout }}", "line 1: 'shout' is no filter"),
        ("one\n{% load os %}", "line 2: {% load os %} is not known here"),
        ("one\n{{ open", "{{ stands alone"),
        ("{{ a() }}", "is no value"),
        ("{% for x of y %}{% endfor %}", "is not known here"),
        ("{% if a %}" * 12 + "{% endif %}" * 12, "nested deeper"),
        ("x" * 40_001, "at most 40,000"),
        (OPEN, "private use"),
    ],
)
def test_a_mistake_in_the_form_is_named_with_its_line(text, said):
    with pytest.raises(InputError) as wrong:
        language.parse(text, "closed (de)")
    assert said in str(wrong.value) and "closed (de)" in str(wrong.value)


def test_a_name_that_does_not_exist_is_found_before_anybody_is_told():
    template = language.parse('a\n{{ clause_numbr }}\n{% if reson %}x{% endif %}{% include "closng" %}', "opened (en)")
    found = language.check(template, variables.CUSTOMER, {"closing": language.parse("x", "closing")})
    assert all(str(problem).startswith("opened (en), line") for problem in found) and len(found) == 3
    text = "; ".join(map(str, found))
    assert "line 2: 'clause_numbr' is no variable of this message (did you mean 'clause_number'?)" in text
    assert "'reson'" in text and "no fragment 'closng'" in text


def test_nothing_of_python_can_be_reached():
    class Trap:
        secret = "s3cret"

        def __getitem__(self, key):
            raise AssertionError("looked into an object")

    for name in ("x.secret", "x.__class__", "x.mro", "x.__init__.__globals__"):
        with contextlib.suppress(InputError):
            assert "s3cret" not in shown(f"a{{{{ {name} }}}}b", {"x": Trap()})


def test_choices_lists_and_fragments():
    text = '{% if kind == "a" %}A{% elif kind != "b" %}other{% else %}B{% endif %}{% for x in rows %}\n- {{ x.name }}{% endfor %}'
    assert shown(text, {"kind": "a", "rows": [{"name": "one"}, {"name": "two"}]}) == "A\n\n- one\n- two\n"
    assert shown(text, {"kind": "b"}) == "B\n" and shown(text, {"kind": "c"}) == "other\n"
    assert shown('x {% include "f" %}', fragments={"f": language.parse("y {{ a }}", "f")}) == "x y\n"


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]


BODY = """Dear {{ a }},

| Where | {{ a }}
- {{ a }}
> {{ a|lines }}

{{ a }} after
"""


@given(st.text(max_size=200))
def test_no_value_becomes_layout_language_or_html(value):
    template = language.parse(BODY, "t")
    rendered = language.render(template, {"a": value}, {}, language.plain)
    blocks = layout.blocks(rendered)
    plain = layout.blocks(language.render(template, {"a": "x"}, {}, language.plain))
    assert [block.kind for block in blocks] == [block.kind for block in plain]
    seen, usual = Seen(), Seen()
    seen.feed(layout.as_html(blocks, rendered.values, title="t", language="en"))
    usual.feed(layout.as_html(plain, ["x"] * 9, title="t", language="en"))
    # A fact without a value has no row; everything else is as always.
    wanted = usual.tags if value.translate({ord(OPEN): None, ord(SHUT): None}).split() else None
    assert wanted is None or seen.tags == wanted
    assert seen.links == []
    assert OPEN not in layout.as_text(blocks, rendered.values)


@pytest.mark.parametrize("address", ["javascript:alert(1)", 'https://x.example/"onclick=1', "data:text/html,x", "", "https://a b"])
def test_only_a_web_address_becomes_a_link(address):
    rendered = language.render(language.parse("=> {{ u }} Open", "t"), {"u": address}, {}, language.plain)
    seen = Seen()
    seen.feed(layout.as_html(layout.blocks(rendered), rendered.values, title="t", language="en"))
    assert not any(not link.startswith("https://") for link in seen.links) and "onclick" not in str(seen.links)


# ----- the packaged wording -----
@pytest.mark.parametrize("code", catalogue.LANGUAGES)
def test_every_kind_is_there_in_every_language_and_without_a_mistake(code):
    words, english = catalogue.packaged(code), catalogue.packaged("en")
    assert set(words.kinds) == set(english.kinds) and set(words.fragments) == set(english.fragments)
    for table in ("titles", "outcomes", "measures", "categories"):
        assert set(words.words[table]) == set(english.words[table]), table
        assert all(str(text).strip() for text in words.words[table].values())
    for kind, source in words.kinds.items():
        assert catalogue.problems(kind, code, source, variables.allowed(kind), words.fragments) == []


def used(kind, code):
    """Names of the variables that a message uses, fragments included."""
    words, found = catalogue.packaged(code), set()

    def walk(nodes):
        for node in nodes:
            if isinstance(node, language.Value):
                found.add(node.name)
            elif isinstance(node, language.Loop):
                found.add(node.name)
                walk(node.body)
            elif isinstance(node, language.Choice):
                for condition, body in node.branches:
                    found.update({condition.name} if condition else set())
                    walk(body)
            elif isinstance(node, language.Include):
                walk(language.parse(words.fragments[node.name], "f").nodes)

    source = words.kinds[kind]
    walk(language.parse(source.body, "b").nodes)
    walk(language.parse(source.subject, "s").nodes)
    return found


@pytest.mark.parametrize("code", catalogue.LANGUAGES[1:])
def test_every_translation_says_what_the_english_says(code):
    for kind in catalogue.kinds():
        assert used(kind, code) == used(kind, "en"), kind


RESTRICTING = ("emergency", "statement_of_reasons", "disconnected", "termination_notice", "terminated")


@pytest.mark.parametrize("code", catalogue.LANGUAGES)
def test_what_the_policy_and_the_law_want_said_is_said(code):
    words = catalogue.packaged(code)
    for kind in ("opened", "reminder", "child_opened"):
        assert 'include "not_admission"' in words.kinds[kind].body, "an acknowledgement is no admission (K10)"
    for kind in ("opened", "final_warning", "disconnected", "not_adequate", "digest", "recurring", "child_opened"):
        assert 'include "disclaimer"' in words.kinds[kind].body, "D7"
    for kind in RESTRICTING:
        assert 'include "appeal"' in words.kinds[kind].body, kind
    assert "clause_plain" in used("opened", code) and {"evidence", "guidance", "portal_url"} <= used("opened", code)
    assert {"automatic", "measure", "expires", "reason", "clause_number"} <= used("statement_of_reasons", code)
    for kind in catalogue.kinds():
        if kind.endswith(".reporter"):
            hidden = {"case_number", "customer", "where", "service", "evidence", "portal_url", "measure"}
            assert not used(kind, code) & hidden, "nothing of the customer goes to reporters"
        elif kind != "opened":
            assert "complainant" not in used(kind, code)


def test_there_is_guidance_for_every_kind_that_is_told_to_customers():
    from tipstaff.policy import loading

    for pack in ("default", "dedicated-hosting", "managed-services"):
        for code, entry in loading.load_packaged(pack).categories.items():
            if entry.customer_told and str(entry.opening) != "enrich":
                for spoken in catalogue.LANGUAGES:
                    assert len(catalogue.guidance(spoken).get(code, ())) >= 2, f"{pack} {code} {spoken}"
            for spoken in catalogue.LANGUAGES:
                assert catalogue.packaged(spoken).word("categories", code), f"{spoken} {code}"


def test_a_language_that_is_not_there_is_answered_in_english():
    assert [catalogue.known(code) for code in ("de-AT", "FR", "pt", "", "nl_BE")] == ["de", "fr", "en", "en", "nl"]


def test_guidance_says_as_much_in_every_language():
    english = catalogue.guidance("en")
    for code in catalogue.LANGUAGES:
        spoken = catalogue.guidance(code)
        assert {kind: len(lines) for kind, lines in spoken.items()} == {kind: len(lines) for kind, lines in english.items()}, code
        assert code == "en" or not {line for lines in spoken.values() for line in lines} & {
            line for lines in english.values() for line in lines
        }


def test_every_label_of_the_evidence_is_there_in_every_language():
    import re
    from inspect import getsource

    from tipstaff.cases import disclosing
    from tipstaff.reports import redaction, scrubbing

    source = getsource(scrubbing) + getsource(redaction)
    removed = {
        value for name, value in vars(scrubbing).items() if name.isupper() and isinstance(value, str) and f"gone({name})" in source
    }
    written = set(re.findall(r'gone\("([^"]+)"\)', source)) | {
        "Report",
        "The mail that is complained about",
        "Machine-readable report",
    }
    assert len(removed) >= 10 and "Machine-readable report" in getsource(redaction)
    labels = removed | written | {"removed", disclosing.MORE, "Claimant", "Sent by", "Address", "Work", "Their reference"}
    for code in catalogue.LANGUAGES:
        known = catalogue.packaged(code).words["evidence"]
        assert labels <= set(known), f"{code}: {sorted(labels - set(known))}"
        assert catalogue.label(code, "evidence-3.log") == "evidence-3.log"
    assert catalogue.label("de", "mail address") == "Mailadresse" and "{n}" in catalogue.label("nl", disclosing.MORE)
