"""Input made to hurt: never more than linear in its length, within 300 MB, and a person sees in words what was wrong.

The seconds are those of ``tipstaff bench hostile``, which reads the same cases, each in a process of its own.
"""

import base64
import gzip
import resource

import pytest

from tests.growth import BELOW_QUADRATIC, ends, growth
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.open import open_message
from tipstaff.project.bench.hostile_cases import CASES, HEAD, zipped

# Long, but each of its lines is what a reporter writes: what was read of it accuses, with a warning that it was cut.
PLAUSIBLE = {
    "accusations", "accusing lines", "log lines", "quoted levels", "list of links", "headers pasted", "siblings", "csv field",
}  # fmt: skip


class Reading:
    """Reads, and keeps what came of the input that was read last."""

    def __call__(self, raw):
        self.drafts = read_submission(raw, Hints(filename="submission"))


@pytest.mark.parametrize("name", CASES)
def test_four_times_the_input_costs_no_more_than_four_times_and_300_megabytes(name):
    raw, quarter = CASES[name].raw(), CASES[name].raw(4)
    read_submission(b"From: rita@mail.example\n\nthe first letter of a program pays for its vocabulary", Hints())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = Reading()
    with ends():
        times = growth(read, quarter, raw)
    drafts = read.drafts
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert drafts
    assert times < BELOW_QUADRATIC, f"{name}: {times:.1f} times the work for four times the input"
    assert grown < 300, f"{name}: {grown:.0f} MB"
    assert drafts[0].disposition != Disposition.REPORT or name in PLAUSIBLE, f"{name} accuses somebody"
    assert drafts[0].needs or drafts[0].warnings or drafts[0].disposition == Disposition.NOT_A_REPORT, "a person sees why"
    assert not any("defect of the software" in need for draft in drafts for need in draft.needs), drafts[0].needs


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nested multiparts", "nested deeper than"),
        ("nested messages", "nested deeper than"),
        ("siblings", "parts; the rest was left out"),
        ("encoded words", "encoded words"),
        ("header without end", "was cut"),
        ("many headers", "headers"),
        ("broken base64", "base64 is broken"),
        ("zip bomb", "inflates beyond"),
        ("zip of many", "files in the archive"),
        ("zip in zip", "archives inside archives"),
        ("lying zip", "report.zip"),
        ("broken zip", "damaged"),
        ("gzip bomb", "inflates beyond"),
        ("bare zip bomb", "inflates beyond"),
        ("bare gzip bomb", "inflates beyond"),
    ],
)
def test_a_person_sees_why(name, words):
    defects = [defect for message in open_message(CASES[name].raw(), Hints(filename="submission")) for defect in message.defects]
    assert any(words in defect for defect in defects), defects


def test_the_budget_holds_for_all_archives_of_a_mail_together():
    one = zipped({f"{n}.csv": b"ip\n192.0.2.1\n" for n in range(150)})
    body = base64.encodebytes(one)
    part = b'--b\nContent-Type: application/zip; name="r.zip"\nContent-Transfer-Encoding: base64\n\n' + body
    (message,) = open_message(HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + part * 20 + b"--b--\n")
    assert sum("/" in part.where for part in message.parts) <= 200


def test_gzip_of_ordinary_ratio_is_opened():
    raw = gzip.compress(b"".join(b"2026-11-16 10:00:00,192.0.2.%d,80\n" % (n % 200) for n in range(50_000)))
    (message,) = open_message(raw, Hints(filename="feed.csv.gz"))
    assert message.kind == "csv" and message.parts[0].filename == "feed.csv" and not message.defects
