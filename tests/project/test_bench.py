"""Each benchmark at a hundredth of its size: not for its speed, but for what it must get right."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
FIGURES = {
    "feed": {"events_per_s", "cpu_s_per_100k", "redelivered_per_s", "peak_rss_mb", "postgres_mb", "bytes_per_event"},
    "mail": {"mails_per_s", "cpu_ms_per_mail"},
    "smtp": {"mails_per_s"},
    "xarf": {"documents_per_s"},
    "attribution": {"questions", "differences", "lookups_per_s"},
    "hostile": {"worst_s", "worst_mb", "cases"},
    "sample": {"cpu_s", "seconds", "cases", "letters"},
    "desk": {"queue_p95_ms", "case_p95_ms", "search_p95_ms"},
}
#: Of hostile inputs one of each kind; all of them are read in tests/intake/test_hostile.py.
WORST = ("dotted", "nested messages", "zip bomb of 200 MB", "noise")


def bench(name, *options):
    """The one JSON object that ``tipstaff bench NAME`` prints."""
    command = [sys.executable, "-m", "tipstaff.project.cli", "bench", name, *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout)
    assert figures.keys() >= FIGURES[name]
    assert all(figures[figure] is not None for figure in FIGURES[name])
    return figures


def test_feed_stores_each_row_once_and_opens_cases():
    figures = bench("feed", "--rows", 10_000, "--batch", 1_000, "--preload", 50_000)
    assert figures["rows"] == 10_000
    assert 8_900 <= figures["stored"] <= 9_000  # ten in a hundred stand twice, and a few collide by chance
    assert figures["cased"] == figures["stored"]
    assert figures["cases"] > 1_000


def test_mail_becomes_cases_and_none_fails():
    figures = bench("mail", "--rows", 200)
    assert figures["failed"] == 0
    assert figures["parsed"] + figures["needs_person"] + figures["set_aside"] == 200
    assert figures["parsed"] >= 150 and figures["cases"] > 50


def test_smtp_accepts_everything_it_was_sent():
    assert bench("smtp", "--rows", 50)["mails_per_s"] > 0


def test_xarf_reads_every_document():
    assert bench("xarf", "--rows", 1_000)["documents_per_s"] > 0


def test_attribution_agrees_with_the_oracle():
    figures = bench("attribution", "--rows", 1_000)
    assert (figures["questions"], figures["differences"]) == (1_000, 0)


def test_hostile_input_stays_within_its_memory_and_goes_to_a_person():
    figures = bench("hostile", *(word for name in WORST for word in ("--case", name)))
    assert figures["cases"] == len(WORST) and figures["worst_mb"] < 300
    for name, one in figures["each"].items():
        assert one["disposition"] != "report", name
        assert one["reasons"] or one["disposition"] == "not-a-report", f"{name}: a person sees why"


def test_sample_leaves_nothing_unread():
    figures = bench("sample", "--rows", 10)
    assert figures["messages"] == 10 and figures["submissions"] >= 10
    assert figures["waiting"] == 0 and figures["cases"] > 0


def test_desk_answers_every_page():
    figures = bench("desk", "--rows", 10_000)
    assert figures["queue_bytes"] < 150_000
