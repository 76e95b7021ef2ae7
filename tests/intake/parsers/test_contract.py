"""What every parser owes: read its own fixtures, leave others' alone, raise only ParseError, invent nothing."""

import random
import re
from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import pytest

from tests.intake.samples import OWN, Sample, own_samples
from tipstaff.faces.cli.parse import line_of
from tipstaff.intake.dispositions import verdict_of
from tipstaff.intake.drafts import Confidence, Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import claimants, read_submission
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.walk import every_part
from tipstaff.intake.registry import PARSERS
from tipstaff.kernel.errors import ParseError

SAMPLES = own_samples()
NAMES = [parser.name for parser in PARSERS]
BELIEVED_FROM = {"web_form": "form", "flow_finding": "sensor"}  # parsers that believe one kind of source alone


def hints(sample: Sample) -> Hints:
    return Hints(filename=sample.path.name, source_kind=BELIEVED_FROM.get(sample.parser))


@pytest.mark.parametrize("parser", PARSERS, ids=NAMES)
def test_a_parser_has_its_name_and_a_fixture(parser):
    assert isinstance(parser.experimental, bool)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", parser.name)
    assert any(sample.parser == parser.name for sample in SAMPLES), f"write tests/corpus/parsers/{parser.name}/…"
    assert parser.__doc__


def test_names_are_unique():
    assert [name for name, count in Counter(NAMES).items() if count > 1] == []


def test_every_fixture_has_a_parser():
    folders = {folder.name for folder in (OWN / "parsers").iterdir() if folder.is_dir()}
    assert folders <= set(NAMES)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_fixture_is_read_as_expected(sample):
    lines = [line_of(sample.path.name, draft) for draft in read_submission(sample.raw, hints(sample))]
    expected = sample.expected
    assert len(lines) == len(expected)
    for line, wanted in zip(lines, expected, strict=True):
        agree(wanted, line, str(sample))


def agree(wanted, got, where: str) -> None:
    """Whatever the expectation states is so; what it leaves out is not judged."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            if key not in ("file", "warnings", "note"):
                agree(value, got.get(key), f"{where}.{key}")
    elif isinstance(wanted, list) and isinstance(got, list):
        assert len(got) == len(wanted), f"{where}: {len(got)} instead of {len(wanted)}: {got}"
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            agree(one, other, f"{where}[{index}]")
    else:
        assert got == wanted, where


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_right_parser_claims_it_alone_at_the_top(sample):
    for message in open_message(sample.raw, hints(sample)):
        if verdict_of(message) is not None:
            continue
        claims = Counter({parser.name: parser.claims(message) for parser in PARSERS})
        best = max(claims.values())
        assert best > Confidence.NONE, f"{sample} is claimed by nobody"
        assert [name for name, claim in claims.items() if claim == best] == [sample.parser]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_value_names_its_place(sample):
    for draft in read_submission(sample.raw, hints(sample)):
        for event in draft.events:
            assert not event.ip or event.found_in.get("ip"), f"{sample}: {event.ip} comes from nowhere"
            assert not event.occurred_at or event.found_in.get("occurred_at"), f"{sample}: {event.occurred_at} comes from nowhere"
            assert event.occurred_at is None or event.occurred_at.tzinfo is not None
            assert event.count >= 1
            if event.earliest and event.latest:
                assert event.earliest <= event.latest


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_no_address_is_invented(sample):
    """Each address stands in the message, in one of the ways that an address is written."""
    for message in open_message(sample.raw, hints(sample)):
        text = "\n".join([message.raw.decode("utf-8", "replace"), *(part.text for part in every_part(message))]).lower()
        plain = re.sub(r"\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?", ".", text).replace("[:]", ":")
        for draft in _parsed(message):
            for event in draft.events:
                if event.ip and ":" not in event.ip:
                    assert event.ip in plain, f"{sample}: {event.ip} does not occur"


def _parsed(message):
    drafts = []
    for parser in islice(claimants(message), 1):
        try:
            drafts += parser.parse(message)
        except ParseError:
            continue
    return drafts


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_same_bytes_give_the_same_drafts(sample):
    first = [line_of("x", draft) for draft in read_submission(sample.raw, hints(sample))]
    assert first == [line_of("x", draft) for draft in read_submission(sample.raw, hints(sample))]


def mutations(raw: bytes, seed: int, number: int = 12):
    """Truncations, flipped bytes, dropped and doubled lines, odd newlines, NULs."""
    chance = random.Random(seed)
    for _ in range(number):
        kind, data = chance.randrange(7), bytearray(raw)
        at = chance.randrange(max(1, len(data)))
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            for _ in range(chance.randrange(1, 40)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == 2:
            lines = bytes(data).split(b"\n")
            del lines[chance.randrange(len(lines))]
            data = bytearray(b"\n".join(lines))
        elif kind == 3:
            lines = bytes(data).split(b"\n")
            chance.shuffle(lines)
            data = bytearray(b"\n".join(lines))
        elif kind == 4:
            data = bytearray(bytes(data).replace(b"\n", b"\r\n"))[: at * 2]
        elif kind == 5:
            data[at:at] = bytes(chance.choices(b'\0\xff\x80"<>{}[],;=:-\n', k=chance.randrange(1, 60)))
        else:
            data = bytearray(re.sub(rb"\d", lambda m: str(chance.randrange(10)).encode(), bytes(data)))
        yield bytes(data)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_only_parse_errors_leave_any_parser_on_mutated_input(sample):
    for number, raw in enumerate(mutations(sample.raw, seed=sum(sample.raw[:50]))):
        for message in open_message(raw, hints(sample)):
            for parser in PARSERS:
                try:
                    if parser.claims(message) > Confidence.NONE:
                        drafts = parser.parse(message)
                        assert isinstance(drafts, list), f"{parser.name} on mutation {number}"
                        check_drafts(drafts, f"{parser.name} on mutation {number} of {sample}")
                except ParseError as error:
                    assert error.problem.where and error.problem.what


def check_drafts(drafts, where: str) -> None:
    for draft in drafts:
        assert isinstance(draft.disposition, Disposition), where
        for event in draft.events:
            assert not event.ip or event.found_in.get("ip"), where
            assert not event.occurred_at or event.found_in.get("occurred_at"), where
            assert event.occurred_at is None or datetime(1970, 1, 1, tzinfo=UTC) <= event.occurred_at, where
            assert event.port is None or 0 < event.port < 65_536, where
