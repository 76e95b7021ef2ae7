"""`tipstaff bench attribution`: is the vectorised table right, and how fast."""

import resource
import time
from typing import Any

from tipstaff.attribution.matching import Answers, AssignmentTable, Questions
from tipstaff.project.bench.inventory import (
    Inventory,
    assignment_rows,
    name_rows,
    prefix_columns,
    question_columns,
)
from tipstaff.project.bench.oracle import Asked, Oracle

STATES = ("nothing", "held", "not_assigned", "not_ours", "ambiguous")


def run(rows: int = 100_000, assignments: int = 50_000, seed: int = 1) -> dict[str, Any]:
    """Ask ``rows`` questions of table and oracle. ``lookups_per_s`` is wall time, ``cpu_s_per_100k`` CPU seconds."""
    inventory = Inventory(assignments, seed)
    asked = inventory.ask(rows)
    columns = assignment_rows(inventory.held), name_rows(inventory.named), prefix_columns(list(inventory.own))
    began = _cpu()
    table = AssignmentTable.build(*columns)
    build_cpu_s = _cpu() - began
    answers, wall, cpu = _timed(table, question_columns(asked))
    plain = question_columns([one for one in asked if one.earliest == one.latest and not one.host and not one.mailbox])
    _, plain_wall, plain_cpu = _timed(table, plain)
    return {
        "questions": rows,
        "assignments": len(inventory.held),
        "differences": len(differences(Oracle(inventory.held, inventory.named, inventory.own), asked, answers)),
        "lookups_per_s": round(rows / wall),
        "cpu_s_per_100k": round(cpu * 1e5 / rows, 4),
        "exact_lookups_per_s": round(len(plain.port) / plain_wall),
        "exact_cpu_s_per_100k": round(plain_cpu * 1e5 / max(1, len(plain.port)), 4),
        "build_cpu_s": round(build_cpu_s, 3),
        "answers": {name: int((answers.state == code).sum()) for code, name in enumerate(STATES)},
    }


def differences(oracle: Oracle, asked: list[Asked], answers: Answers) -> list[tuple[Asked, tuple[int, ...], tuple[int, ...]]]:
    """Every question with two answers: (question, the oracle's, the table's)."""
    columns = (answers.state, answers.assignment, answers.service, answers.customer, answers.source, answers.fact)
    given = zip(*(column.tolist() for column in columns), strict=True)
    right = (oracle.answer(question) for question in asked)
    return [(question, one, other) for question, one, other in zip(asked, right, given, strict=True) if one != other]


def _timed(table: AssignmentTable, questions: Questions) -> tuple[Answers, float, float]:
    wall, cpu = time.perf_counter(), _cpu()
    answers = table.match(questions)
    return answers, max(time.perf_counter() - wall, 1e-9), _cpu() - cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
