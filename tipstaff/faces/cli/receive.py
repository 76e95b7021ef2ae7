"""``tipstaff receive``: files into the spool, and with ``--wait`` what became of each."""

import os
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson
from django.conf import settings
from django.db import connection

from tipstaff.intake.models import Submission
from tipstaff.intake.sources import files
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.kernel.clock import now
from tipstaff.kernel.models import Heartbeat
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Report

EXIT_FAILED, EXIT_PARTLY = 1, 4
STEP = 0.1  # seconds between looks at what a worker did
PATIENCE = 600.0  # seconds without any progress
FRESH = 30  # seconds a worker's sign of life is good for


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(allow_dash=True, path_type=Path))
@click.option("--wait", is_flag=True, help="Wait until each was read; does the work itself where no worker runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per submission and line.")
@click.option("--source", default=files.SOURCE, show_default=True, help="Name of the source they are filed under.")
@click.option("--name", default="", help="File name for standard input (PATH is -).")
def receive(paths: tuple[Path, ...], wait: bool, as_json: bool, source: str, name: str) -> None:
    """Take mails, mboxes, maildirs, feeds (CSV, JSON, JSON lines), archives and folders as submissions.

    Each is on the disk when this returns. A file that was received before is not taken again, unless it changed.
    """
    spool = Spool(settings.SPOOL)
    taken = list(_take(paths, spool, source, name))
    items = [item for one in taken for item in one.items]
    problems = [one for one in taken if one.problem]
    if wait:
        _wait(items, spool)
    for line in _lines(taken):
        click.echo(orjson.dumps(line) if as_json else _summary(line))
    for one in problems:
        if not as_json:
            click.echo(f"tipstaff: {one.problem}", err=True)
    if problems:
        sys.exit(EXIT_PARTLY if items else EXIT_FAILED)


def _take(paths: Sequence[Path], spool: Spool, source: str, name: str) -> Iterable[files.Taken]:
    named = list(files.files_under(path for path in paths if str(path) != "-"))
    if any(str(path) == "-" for path in paths):
        yield files.receive_stream(sys.stdin.buffer, spool, filename=name, now=now(), source=source)
    with click.progressbar(named, file=sys.stderr, hidden=not sys.stderr.isatty(), label="Receiving") as shown:
        yield from files.receive(shown, spool, source=source, now=now())


def _wait(items: Sequence[Accepted], spool: Spool) -> None:
    """Until every one was read. A worker of this host that lives does it; else this program is the worker."""
    waiting = {item.id for item in items}
    worker = None
    quiet_since = time.monotonic()
    with click.progressbar(length=len(items), file=sys.stderr, hidden=not sys.stderr.isatty(), label="Reading") as shown:
        while waiting:
            done = _read_of(waiting)
            if done:
                waiting -= done
                shown.update(len(done))
                quiet_since = time.monotonic()
                continue
            if not _worker_lives():
                worker = worker or Worker(spool)
                worker.step()
            elif time.monotonic() - quiet_since > PATIENCE:
                raise click.ClickException(
                    f"{len(waiting)} submissions were not read within {PATIENCE:.0f} s; see `tipstaff status`"
                )
            else:
                time.sleep(STEP)


def _read_of(waiting: set[UUID]) -> set[UUID]:
    chosen = list(waiting)[:5000]
    return set(Submission.objects.filter(pk__in=chosen).exclude(state="received").values_list("pk", flat=True))


def _worker_lives() -> bool:
    """Whether a worker of this host says that it lives, and its process does."""

    beats = Heartbeat.objects.filter(name="worker", host=socket.gethostname()).order_by("-at")[:8]
    for beat in beats:
        if (now() - beat.at).total_seconds() > FRESH or beat.pid == os.getpid():
            continue
        try:
            os.kill(beat.pid, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        return True
    return False


def _lines(taken: Iterable[files.Taken]) -> Iterable[dict[str, Any]]:
    """What became of each submission, and of each file that could not be read."""
    taken = list(taken)
    numbers = [item.id for one in taken for item in one.items]
    submissions = Submission.objects.in_bulk(numbers)
    reports: dict[UUID, list[Report]] = {}
    for report in Report.objects.filter(submission__in=numbers).order_by("ordinal", "-revision").select_related("reporter"):
        reports.setdefault(report.submission_id, []).append(report)
    cases = _cases([report.pk for found in reports.values() for report in found])
    for one in taken:
        for item in one.items:
            yield _line(one.path, item, submissions.get(item.id), reports.get(item.id, []), cases)
        if one.problem:
            where, what, advice = one.problem.where, one.problem.what, one.problem.advice
            yield {"file": one.path, "state": "not received", "error": {"where": where, "what": what, "advice": advice}}


def _cases(numbers: Sequence[int]) -> dict[int, list[int]]:
    """Report → the cases that its events are in."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT report_id, array_agg(DISTINCT case_id ORDER BY case_id) FROM cases_casereport
               WHERE report_id = ANY(%s) GROUP BY 1""",
            [list(numbers)],
        )
        return dict(cursor.fetchall())


def _line(
    path: str, item: Accepted, submission: Submission | None, reports: Sequence[Report], cases: dict[int, list[int]]
) -> dict[str, Any]:
    newest = list({report.ordinal: report for report in reversed(reports)}.values())
    known = {"file": path, "name": item.filename, "id": str(item.id)}
    if submission is None:
        return known | {
            "state": "accepted",
            "disposition": None,
            "reason": "",
            "reports": [],
            "events": 0,
            "duplicates": 0,
            "cases": [],
        }
    if submission.state == "sealed":  # nothing of it is told here, not even its case
        newest = []
    return known | {
        "state": submission.state,
        "disposition": submission.disposition or None,
        "reason": submission.reason,
        "reports": [_report(report, cases) for report in newest],
        "events": sum(report.events for report in newest),
        "duplicates": sum(report.duplicates for report in newest),
        "cases": sorted({case for report in newest for case in cases.get(report.pk, [])}),
    }


def _report(report: Report, cases: dict[int, list[int]]) -> dict[str, Any]:
    return {
        "format": report.format, "disposition": report.disposition, "state": report.state, "category": report.category or None,
        "reporter": report.reporter.key, "external_id": report.external_id or None, "events": report.events,
        "duplicates": report.duplicates, "unmatched": report.unmatched, "cases": cases.get(report.pk, []),
    }  # fmt: skip


def _summary(line: dict[str, Any]) -> str:
    if "error" in line:
        return f"{line['file']}: not received"
    told = [line["disposition"] or line["state"]]
    told += [f"{line['events']} events"] if line["events"] else []
    told += [f"{line['duplicates']} known already"] if line["duplicates"] else []
    told += [f"case {', '.join(f'#{case}' for case in line['cases'])}"] if line["cases"] else []
    told += [line["reason"]] if line["reason"] else []
    return f"{line['file']}: {', '.join(told)}"
