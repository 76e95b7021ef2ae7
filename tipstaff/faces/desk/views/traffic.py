"""The Traffic screen: what flowed, by whom, towards what; single flows behind a row; the same as CSV."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone

from tipstaff.accounts import lookups as accounts
from tipstaff.attribution import queries as attribution
from tipstaff.faces.desk import streams, traffic
from tipstaff.faces.desk.access import DeskRequest, desk, zone_of
from tipstaff.faces.desk.page import page
from tipstaff.faces.desk.traffic import MEASURES, NAMES, Asked, Found
from tipstaff.faces.desk.views import traffic_views
from tipstaff.faces.desk.views.home import csv_answer
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.sensors.traffic import queries as sensors
from tipstaff.sensors.traffic.archive.filters import names as filter_names
from tipstaff.sensors.traffic.archive.questions import Span

VIEWERS = ("analyst", "lead", "network", "admin")
MOST_FLOWS = 500
EXAMPLES = (
    ("direction out and peer_port 25", "mail that leaves"), ("direction out and peer_port 22,3389,5900", "log-ins elsewhere"),
    ("protocol udp and local_port 53,123,389,11211", "answers of services that amplify"),
    ("local 192.0.2.0/24", "one prefix of ours"),
)  # fmt: skip
OTHER = "All others"


@desk(*VIEWERS)
def explore(request: DeskRequest) -> HttpResponse:
    """The screen. What cannot be asked is said beside the form, with what was asked."""
    now, zone = clock_now(), zone_of(request.user)
    kept = None
    context: dict[str, Any] = {"screen": "traffic", "now": now, **_choices(), "examples": EXAMPLES}
    status = 200
    try:
        context["kept_since"] = kept = sensors.archive(limit=traffic.LIMIT).kept_since()
        asked = traffic.read(request.GET, now, zone)
        context |= {"asked": asked, "given": _given(asked, zone), **traffic_views.shown(request, asked)}
        if kept is not None:
            found = traffic.answer(asked, request.user.pk, now)
            context |= _shown(asked, found, zone, kept)
    except InputError as wrong:
        context |= {"problems": wrong.problems, "given": {**_given(traffic.read({}, now, zone), zone), **request.GET.dict()}}
        status = 422
    except Refused as refused:
        context["refused"], status = str(refused), 409
    return page(request, "desk/traffic.html", context, status=status)


def _choices() -> dict[str, Any]:
    return {
        "dimensions": NAMES, "measures": {key: name for key, (name, _, _) in MEASURES.items()}, "periods": list(traffic.PERIODS),
        "all_views": traffic.VIEWS, "counts": traffic.COUNTS, "filter_names": filter_names(),
    }  # fmt: skip


def _given(asked: Asked, zone: ZoneInfo) -> dict[str, Any]:
    start, end = (f"{at.astimezone(zone):%Y-%m-%dT%H:%M}" for at in (asked.span.start, asked.span.end))
    return {
        "by": asked.dimension, "to_by": asked.second, "measure": asked.measure, "view": asked.view, "n": asked.count,
        "where": asked.where, "last": asked.last, "from": "" if asked.last else start, "to": "" if asked.last else end,
        "before": asked.before,
    }  # fmt: skip


def _shown(asked: Asked, found: Found, zone: ZoneInfo, kept: datetime) -> dict[str, Any]:
    """Rows, picture and times, in the words of the page."""
    _, unit, factor = MEASURES[asked.measure]
    seconds = asked.step.total_seconds()
    places = [*range(len(found.values)), -1]
    names = [*traffic.labels(asked.dimension, found.values), OTHER]
    rates = [[amount * factor / seconds for amount in row] for row in found.lines]
    unknown = traffic.unknown_before(asked, found, kept)
    drawn = streams.stack(rates, places, [amount * factor / seconds for amount in found.before], unknown)
    left = datetime.fromtimestamp(asked.span.start.timestamp() // seconds * seconds, UTC)
    along = streams.ticks_along(left, left + asked.step * len(drawn.columns), zone)
    up = [(tick.at, streams.short(drawn.top * part / 4, unit)) for part, tick in enumerate(drawn.ups)]
    whole = asked.span.length.total_seconds()
    rows = [_row(asked, found, place, names[place], streams.short(found.amounts[place] * factor / whole, unit)) for place in places]
    for row, line in zip(rows, rates, strict=True):
        row["peak"] = streams.short(max(line, default=0), unit)
    shown: dict[str, Any] = {
        "rows": rows, "stack": drawn, "along": along, "up": up, "unit": unit,
        "times": _times(asked, rates, drawn, found, zone),
        "total": streams.short(found.total * factor / whole, unit), "found": found, "names": names,
        "change": None if unknown else _change(found), "unknown": unknown > 0, "nothing_before": unknown == len(found.before),
        "layers": [(layer, names[layer.place], rows[layer.place]) for layer in drawn.layers],
        "page_title": NAMES[asked.dimension], "empty": not found.total, "csv": asked.address(),
    }  # fmt: skip
    if asked.view == "heat":
        shown |= _warm(rates, places, names, unit)
    if asked.view == "sankey":
        shown |= _between(asked, found, rows, unit, factor / whole)
    return shown


def _row(asked: Asked, found: Found, place: int, name: str, mean: str) -> dict[str, Any]:
    value = found.values[place] if place >= 0 else None
    row: dict[str, Any] = {
        "place": place, "name": name, "mean": mean, "value": value,
        "share": found.amounts[place] / found.total if found.total else 0.0,
    }  # fmt: skip
    if place < 0:
        return row
    row["narrow"] = asked.address(where=traffic.narrowed(asked, asked.dimension, value)) if value is not None else ""
    if asked.dimension in ("customer", "peer_customer") and value:
        row["customer"], row["cases"] = f"/customers/{value}/", f"/queue/?customer={value}&status=all"
    elif asked.dimension in ("local", "peer") and value:
        row["cases"] = f"/search/?q={value}"
        if asked.dimension == "local":
            row["flows"] = f"/traffic/flows/{asked.address(address=value)}"
            held = attribution.who(ip=value, at=asked.span.end - timedelta(minutes=1)).service
            row["holder"] = held.customer if held else None
    return row


def _change(found: Found) -> float | None:
    """How much more than in the period before, as a share; None where there is nothing to compare."""
    return found.total / found.total_before - 1 if found.total_before else None


def _times(
    asked: Asked, rates: Sequence[Sequence[float]], drawn: streams.Stack, found: Found, zone: ZoneInfo
) -> list[dict[str, Any]]:
    """The picture's twin: one row a step."""
    _, unit, factor = MEASURES[asked.measure]
    width = asked.step.total_seconds()
    first = asked.span.start.timestamp() // width * width
    rows = []
    for i, (x, wide) in enumerate(drawn.columns):
        at = datetime.fromtimestamp(first + i * width, UTC)
        zoom = asked.address(last="", **{"from": traffic.text_of(at), "to": traffic.text_of(at + asked.step)})
        before = streams.short(found.before[i] * factor / width, unit) if i < len(found.before) else ""
        cells = [streams.short(row[i], unit) for row in rates]
        rows.append({
            "text": f"{at.astimezone(zone):%d.%m. %H:%M}", "zoom": zoom, "before": before, "x": x, "width": wide,
            "all": streams.short(sum(row[i] for row in rates), unit), "cells": cells,
        })  # fmt: skip
    return rows


def _warm(rates: Sequence[Sequence[float]], places: Sequence[int], names: Sequence[str], unit: str) -> dict[str, Any]:
    """The heat picture; the tables below say the same."""
    drawn = streams.heat(rates, places)
    foot = streams.TOP + len(places) * drawn.high
    return {
        "heat": drawn, "heat_foot": foot, "heat_high": foot + 26, "heat_text": foot + 17,
        "heat_rows": [(y + 4, name) for y, name in zip(drawn.lines, names, strict=True)],
        "cells": [(cell, names[cell.place], streams.short(rates[cell.place][cell.column], unit)) for cell in drawn.cells],
        "levels": [(level, streams.short(bound, unit)) for level, bound in enumerate(drawn.bounds, 1)],
    }  # fmt: skip


def _between(asked: Asked, found: Found, rows: Sequence[dict[str, Any]], unit: str, factor: float) -> dict[str, Any]:
    """The Sankey picture and its table; every part of it leads to the same question of that part alone."""
    seconds = [*traffic.labels(asked.second, found.seconds), OTHER]
    known = sorted((pair for pair in found.pairs if pair[2]), key=lambda pair: -pair[2])
    left, right = (
        [place for place in (*range(len(values)), -1) if any(pair[side] == place for pair in known)]
        for side, values in ((0, found.values), (1, found.seconds))
    )
    drawn = streams.sankey(known, left, right)
    sums = {place: sum(pair[2] for pair in known if pair[1] == place) for place in right}

    def only(one: int | None, two: int | None) -> str:
        chosen = [(asked.dimension, found.values, one), (asked.second, found.seconds, two)]
        return traffic.only(
            asked, [(name, values[place] if place >= 0 else None) for name, values, place in chosen if place is not None]
        )

    def said(amount: float) -> str:
        return streams.short(amount * factor, unit)

    return {
        "sankey": drawn, "second_title": NAMES[asked.second],
        "bands": [
            (band, rows[band.one]["name"], seconds[band.two], said(band.amount), only(band.one, band.two)) for band in drawn.bands
        ],
        "lefts": [
            (node, rows[node.place]["name"], said(found.amounts[node.place]), only(node.place, None)) for node in drawn.left
        ],
        "rights": [(node, seconds[node.place], said(sums[node.place]), only(None, node.place)) for node in drawn.right],
        "pair_rows": [(rows[one], seconds[two], said(amount), only(one, two)) for one, two, amount in known],
    }  # fmt: skip


@desk(*VIEWERS)
def explore_csv(request: DeskRequest) -> HttpResponse:
    """One row a step and value: sums, not rates; moments in UTC."""
    asked = traffic.read(request.GET, clock_now(), zone_of(request.user))
    found = traffic.answer(asked, request.user.pk, clock_now())
    names = [*traffic.labels(asked.dimension, found.values), OTHER]
    values = [*map(str, found.values), ""]
    width = asked.step.total_seconds()
    first = asked.span.start.timestamp() // width * width
    rows = [
        [traffic.text_of(datetime.fromtimestamp(first + i * width, UTC)), values[place], names[place], amount]
        for place, line in enumerate(found.lines)
        for i, amount in enumerate(line)
    ]
    return csv_answer("traffic", ["from", asked.dimension, "name", asked.measure], rows)


@desk(*VIEWERS)
def flows(request: DeskRequest) -> HttpResponse:
    """Single flows of one of our addresses, with who held it then."""
    now, zone = clock_now(), zone_of(request.user)
    address, where = request.GET.get("address", "").strip(), request.GET.get("where", "").strip()
    span = _span_of(request, now, zone)
    if not address:
        raise InputError(Problem("address", "is missing", "name one of our addresses, such as 192.0.2.7"))
    store, _, _ = sensors.explorer(span, exact=True, limit=traffic.LIMIT)
    with traffic.turn(request.user.pk):
        answer = store.flows_of(address, span, limit=MOST_FLOWS, where=where)
    context = {
        "screen": "traffic", "now": now, "address": address, "span": span, "where": where,
        "rows": [_flow(row) for row in answer.as_objects()], "more": answer.more, "most": MOST_FLOWS,
        "holders": accounts.holders_of(address) if "/" not in address else [],
        "zone": timezone.get_current_timezone_name(),
    }  # fmt: skip
    return page(request, "desk/traffic_flows.html", context)


def _span_of(request: DeskRequest, now: datetime, zone: ZoneInfo) -> Span:
    """From and to; or some minutes around a moment, moved by some hours, as a case says them."""
    if request.GET.get("at"):
        problems: list[Problem] = []
        at = traffic.moment("at", request.GET["at"], zone, problems)
        if at is None:
            raise InputError(problems)
        at += timedelta(hours=_hours(request.GET.get("offset", "")))
        return Span(at - timedelta(minutes=15), at + timedelta(minutes=15))
    return traffic.read(request.GET, now, zone).span


def _hours(text: str) -> float:
    try:
        return max(-24.0, min(24.0, float(text or 0)))
    except ValueError:
        return 0.0


def _flow(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "way": traffic.DIRECTIONS.get(row["direction"], ""), "kind": traffic.PROTOCOLS.get(row["protocol"], row["protocol"]),
        "size": streams.short(row["bytes"], "B"), "flags": traffic.flags(row["tcp_flags"]) if row["protocol"] == 6 else "",
    }  # fmt: skip
