"""Events and the inventory: who held each address, domain or mailbox when it happened."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from tipstaff.attribution.matching import Answers, Questions
from tipstaff.kernel import addresses
from tipstaff.pipeline.columns import NUMBERS, bounds
from tipstaff.pipeline.context import Context

HELD = 1


def attribute(table: pl.DataFrame, received: np.ndarray, context: Context) -> pl.DataFrame:
    """The batch with customer, service, assignment (null where nobody), attribution and provisional.

    ``received`` is when each event's report came in, in microseconds: the latest moment at which it can have happened.
    """
    asked = _questions(table, received)
    answers = context.snapshot.table.match(asked)
    late = context.snapshot.provisional(answers.source, asked.latest)
    return table.with_columns(
        _optional("customer", answers.customer),
        _optional("service", answers.service),
        _optional("assignment", answers.assignment),
        pl.Series("attribution", answers.state.astype(np.int16)),
        pl.Series("provisional", late & np.isin(answers.state, (1, 2))),
    )


def stated(table: pl.DataFrame, sensors: Sequence[bool], customers: pl.Series) -> pl.DataFrame:
    """Events that name no address but, by our own sensors' word, a customer: theirs, where there is such a customer.

    ``sensors``: of each report, by its place, whether it comes from a sensor of ours; nobody else may name a customer.
    """
    if table["stated_customer"].null_count() == len(table):
        return table
    ours = pl.Series("ours", [sensors[place] for place in table["report"].to_list()], dtype=pl.Boolean)
    named = ours & table["ip"].is_null() & table["stated_customer"].is_in(customers.implode()).fill_null(False)
    held = pl.when(named)
    return table.with_columns(
        held.then(pl.col("stated_customer")).otherwise(pl.col("customer")).cast(table["customer"].dtype).alias("customer"),
        held.then(pl.lit(HELD, pl.Int16)).otherwise(pl.col("attribution")).alias("attribution"),
    )


def _questions(table: pl.DataFrame, received: np.ndarray) -> Questions:
    family, hi, lo = _numbers(table)
    earliest, latest = bounds(table, received)
    port = table["port"].fill_null(-1).to_numpy().astype(np.int32)
    hosts: list[str | None] | None = None
    if table["domain"].null_count() < len(table) or table["url"].null_count() < len(table):
        hosts = [domain or _host(url) for domain, url in zip(table["domain"].to_list(), table["url"].to_list(), strict=True)]
    mailboxes = table["mailbox"].to_list() if table["mailbox"].null_count() < len(table) else None
    return Questions(family, hi, lo, earliest, latest, port, hosts, mailboxes)


def _numbers(table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The addresses as numbers: those that the table has beside the text already, else read from it."""
    if set(NUMBERS) <= set(table.columns):
        return table["family"].to_numpy(), table["hi"].to_numpy(), table["lo"].to_numpy()
    found = addresses.parse(table["ip"])
    return found.family, found.hi, found.lo


def _host(url: str | None) -> str | None:
    if not url:
        return None
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _optional(name: str, ids: np.ndarray) -> pl.Series:
    column = pl.Series(name, ids)
    return pl.select(pl.when(column >= 0).then(column).alias(name)).to_series()


def explain(answers: Answers) -> dict[str, int]:
    """How many events got which kind of answer, for the report's line in Intake."""
    names = ("nothing to attribute", "held", "not assigned then", "not ours", "ambiguous")
    counts = np.bincount(answers.state, minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=False) if count}
