"""The Traffic screen and the exporters' page: what they answer, to whom, within which bounds, and how they read."""

import csv
import io
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.db import connection, connections
from playwright.sync_api import expect

from tests.faces.desk import factory
from tests.faces.desk.test_browser import check
from tests.sensors.traffic.test_archive import made, stored
from tipstaff.audit.models import Entry
from tipstaff.faces.desk import streams, traffic
from tipstaff.faces.desk.models import SavedView
from tipstaff.kernel.clock import now as clock_now
from tipstaff.sensors.traffic.archive.asking import Archive
from tipstaff.sensors.traffic.archive.questions import Statement
from tipstaff.sensors.traffic.models import Exporter

STREAM = {
    "received": 90_000, "decoded": 89_990, "undecodable": 10, "lost": 4_000, "unscaled": 0, "templates": 3, "rate": 1000, "seen": 0,
    "rate_source": "announced for the exporter", "skew_ms": -7_200, "kind": "IPFIX", "whys": {"no template came": 10},
    "samplers": {"2": 512},
}  # fmt: skip


@pytest.fixture
def kept(settings, desk):
    """Two hours of flows of Carol's and Dave's addresses until just now."""
    root = settings.STATE / "flows" / "archive"
    for hours in (2, 1):
        at = clock_now() - timedelta(hours=hours)
        columns = made(600, seed=hours, six=True, at=at)
        for end in ("src", "dst"):
            columns[f"{end}_customer"] = np.where(
                columns[f"{end}_customer"] > 0, np.where(columns[end] & 1, desk.carol.pk, desk.dave.pk), 0
            ).astype(np.int32)
        stored(root, columns, at=at)
    return desk


@pytest.fixture
def nora(desk):
    """A network operator."""
    return factory.StaffMember.objects.create(username="nora", first_name="Nora", roles=["network"], timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("roles", "status"), [(["analyst"], 200), (["lead"], 200), (["network"], 200), (["auditor"], 403), (["billing"], 403)]
)
def test_who_sees_it(desk, signed_in, roles, status) -> None:
    factory.StaffMember.objects.create(username="x", roles=roles)
    for page in ("/traffic/", "/traffic/exporters/"):
        assert signed_in("x").get(page).status_code == status


def test_the_table_the_picture_and_the_csv_say_the_same(kept, alice) -> None:
    page = alice.get("/traffic/", {"by": "customer", "last": "6h"})
    found, rows = page.context["found"], page.context["rows"]
    assert {row["name"] for row in rows} == {"Larkfield Web GmbH", "Ostrava Data", "not ours", "All others"}
    assert found.total == sum(found.amounts) == sum(map(sum, found.lines)) > 0
    assert [sum(line) for line in found.lines] == found.amounts
    told = list(csv.DictReader(io.StringIO(alice.get("/traffic.csv", {"by": "customer", "last": "6h"}).content.decode())))
    assert sum(int(row["bytes"]) for row in told) == found.total
    assert {row["name"] for row in told} == {row["name"] for row in rows}
    text = page.content.decode()
    assert not page.context["stack"].before and "nothing is kept of the period before" in text
    assert text.count("<title>") == 1 + len(page.context["layers"]) + len(page.context["times"])  # page, layers, steps


def test_a_row_leads_to_the_customer_the_cases_and_the_flows(kept, alice) -> None:
    page = alice.get("/traffic/", {"by": "customer"}).content.decode()
    assert f'href="/customers/{kept.carol.pk}/"' in page and f"/queue/?customer={kept.carol.pk}&amp;status=all" in page
    rows = alice.get("/traffic/", {"by": "local", "where": "family 4"}).context["rows"]
    first = next(row for row in rows if row.get("flows"))
    assert first["cases"] == f"/search/?q={first['value']}"
    flows = alice.get(first["flows"])
    assert flows.status_code == 200 and first["value"] in flows.content.decode() and flows.context["rows"]
    narrowed = alice.get("/traffic/" + first["narrow"])
    assert narrowed.context["asked"].where == f"family 4 and local {first['value']}" and not narrowed.context["empty"]


def test_from_and_to_as_a_sankey(kept, alice) -> None:
    page = alice.get("/traffic/", {"by": "customer", "to_by": "peer_port", "view": "sankey"})
    pairs = page.context["found"].pairs
    assert sum(amount for _, _, amount in pairs) == page.context["found"].total and "443 https" in page.content.decode()
    assert len(page.context["bands"]) == len(pairs) == len(page.context["pair_rows"])
    for row, second, _, only in page.context["pair_rows"]:
        if row["name"] != "All others" != second:
            narrower = alice.get("/traffic/" + only).context
            assert [one["name"] for one in narrower["rows"][:-1]] == [row["name"]], "a band leads to what it shows, and to no more"
            break
    drawn = {node.place for node, *_ in page.context["lefts"]}
    assert drawn == {one for one, _, _ in pairs}, "nothing is drawn of what is nothing"
    assert f'<a href="/customers/{kept.carol.pk}/">' in page.content.decode().split('id="pair-h"')[1]


def test_a_period_before_that_is_not_kept_is_not_compared(kept, alice) -> None:
    whole = alice.get("/traffic/", {"by": "customer", "last": "1h"})
    assert whole.context["change"] is not None and "kept only in part" not in whole.content.decode()
    part = alice.get("/traffic/", {"by": "customer", "last": "6h"})
    assert part.context["change"] is None
    start = (clock_now() - timedelta(minutes=75)).isoformat()
    some = alice.get("/traffic/", {"by": "customer", "from": start})
    assert some.context["found"].total_before and some.context["change"] is None, "its beginning is not kept"
    assert "the period before is kept only in part" in some.content.decode()
    assert len(some.context["stack"].before.split("L")) < 2 * len(some.context["found"].before)


def test_as_heat_every_step_of_every_value_has_its_cell(kept, alice) -> None:
    page = alice.get("/traffic/", {"by": "customer", "view": "heat"})
    found, cells = page.context["found"], page.context["cells"]
    assert len(cells) == sum(amount > 0 for line in found.lines for amount in line) > 3
    warmest = max((amount, place, i) for place, line in enumerate(found.lines) for i, amount in enumerate(line))
    places = [*range(len(found.values)), -1]
    assert [cell.level for cell, _, _ in cells if (cell.place, cell.column) == (places[warmest[1]], warmest[2])] == [7]
    assert page.content.decode().count('<rect class="w') == len(cells) + 7  # and the key


def test_a_question_is_kept_under_a_name_alone_or_for_all(kept, alice, signed_in) -> None:
    kept_one = {"name": "Mail out", "query": "by=peer&where=peer_port+25&last=24h&view=heat&rubbish=1", "shared": "on"}
    answer = alice.post("/traffic/views/", kept_one)
    assert answer.status_code == 302 and "rubbish" not in answer["Location"]
    page = alice.get(answer["Location"])
    assert 'aria-current="page">Mail out' in page.content.decode() and page.context["asked"].where == "peer_port 25"
    alice.post("/traffic/views/", {"name": "Mine", "query": "by=local"})
    bob = signed_in("bob").get("/traffic/").content.decode()
    assert "Mail out" in bob and ">Mine" not in bob
    number = SavedView.objects.get(name="Mail out").pk
    assert signed_in("bob").post(f"/traffic/views/{number}/delete/").status_code == 404
    assert alice.post("/traffic/views/", {"name": "Wrong", "query": "where=nonsense"}).status_code == 422
    assert alice.post(f"/traffic/views/{number}/delete/").status_code == 302
    assert list(SavedView.objects.values_list("name", flat=True)) == ["Mine"]
    factory.StaffMember.objects.create(username="x", roles=["auditor"])
    assert signed_in("x").post("/traffic/views/", {"name": "y", "query": ""}).status_code == 403


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"where": "peer_port 22 and nonsense 3"}, "character 18"),
        ({"where": "local_prt 22"}, "did you mean local_port?</p>"),
        ({"where": "local 300.1.1.1"}, "neither an address nor a prefix"),
        ({"where": "peer_port 1; DROP TABLE x"}, "character 11"),
        ({"where": "(peer_port 1"}, "add `)`"),
        ({"where": "protocol"}, "add a value of protocol"),
        ({"by": "everything"}, "known are"),
        ({"from": "yesterday"}, "2026-02-11T14:05"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "name an earlier moment"),
    ],
)
def test_what_cannot_be_asked_says_where_and_what_to_do(kept, alice, given, said) -> None:
    page = alice.get("/traffic/", given)
    assert page.status_code == 422 and said.encode() in page.content.replace(b"&#x27;", b"'")
    assert all(str(value).encode() in page.content for value in given.values() if value.isascii() and "<" not in value)


def test_one_question_at_a_time_for_each_person(kept, alice, signed_in) -> None:
    other = connections.create_connection("default")  # the same person's question on another thread
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [traffic.LOCK, kept.staff["alice"].pk])
        page = alice.get("/traffic/", {"by": "peer"})
        assert page.status_code == 409 and "still being answered" in page.content.decode()
        assert signed_in("bob").get("/traffic/", {"by": "peer"}).status_code == 200
    finally:
        other.close()
    assert alice.get("/traffic/", {"by": "peer"}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s", [traffic.LOCK])
        assert cursor.fetchone()[0] == 0


def test_a_question_that_takes_too_long_is_given_up(kept, alice, monkeypatch) -> None:
    def never(self, span, statement, coarse=False):
        endless = Statement("SELECT sum(a.range * b.range) FROM {flows}, range(10000000) a, range(10000000) b")
        return asked(self, span, endless)

    asked = Archive._ask
    monkeypatch.setattr(traffic, "LIMIT", 0.05)
    monkeypatch.setattr(Archive, "_ask", never)
    page = alice.get("/traffic/", {"by": "peer", "last": "30d"})
    assert page.status_code == 409 and "shorter time" in page.content.decode()


def test_very_many_flows_are_estimated_and_said_to_be(kept, alice, monkeypatch) -> None:
    monkeypatch.setattr("tipstaff.sensors.traffic.queries.EXACT_ROWS", 10)
    assert "estimated from a sample" in alice.get("/traffic/").content.decode()
    assert "estimated from a sample" not in alice.get("/traffic/", {"exact": "on"}).content.decode()


def test_without_flows_it_says_what_to_do(desk, alice) -> None:
    assert "TIPSTAFF_FLOW_LISTEN" in alice.get("/traffic/").content.decode()
    assert "direction out and peer_port 25" in alice.get("/traffic/").content.decode(), "what could be asked"
    assert "No exporter was heard yet" in alice.get("/traffic/exporters/").content.decode()


class TestExporters:
    @pytest.fixture(autouse=True)
    def heard(self, desk):
        Exporter.objects.create(address="192.0.2.250", first_seen=desk.now, last_seen=desk.now, facts={"streams": [STREAM]})

    def test_what_is_known_of_one(self, alice) -> None:
        page = alice.get("/traffic/exporters/").content.decode()
        for said in (
            "192.0.2.250",
            "new, unconfirmed",
            "1 in 1000",
            "announced for the exporter",
            "no template came",
            "-7.2 s off",
            "IPFIX",
        ):
            assert said in page
        assert "Confirm 192.0.2.250" not in page  # an analyst reads

    def test_confirming_it(self, nora, alice, signed_in) -> None:
        answer = signed_in("nora").post("/traffic/exporters/confirm/", {"address": "192.0.2.250", "name": "edge-1", "rate": "512"})
        one = Exporter.objects.get(address="192.0.2.250")
        assert answer.status_code == 302 and (one.confirmed_by, one.name, one.sampling_rate) == ("nora", "edge-1", 512)
        assert Entry.objects.filter(action="exporter confirmed").exists()
        assert signed_in("nora").post("/traffic/exporters/confirm/", {"address": "x", "rate": ""}).status_code == 422
        assert signed_in("nora").post("/traffic/exporters/confirm/", {"address": "192.0.2.9", "rate": "1e3"}).status_code == 422
        assert alice.post("/traffic/exporters/dismiss/", {"address": "192.0.2.250"}).status_code == 403
        assert signed_in("nora").post("/traffic/exporters/dismiss/", {"address": "192.0.2.250"}).status_code == 302
        assert Exporter.objects.get(address="192.0.2.250").confirmed_at is None


class TestDrawing:
    def test_the_stack_ends_at_the_sums(self) -> None:
        drawn = streams.stack([[1, 2], [3, 4]], [0, -1])
        assert drawn.top == 6 and [layer.place for layer in drawn.layers] == [0, -1]
        upper = [float(point.split()[1]) for point in drawn.layers[1].path[1:-1].split("L")[:4:2]]
        assert upper == [pytest.approx(8 + 240 * (1 - total / 6), abs=0.1) for total in (4, 6)]

    @pytest.mark.parametrize(
        ("amount", "text"),
        [(0, "0 bit/s"), (812, "812 bit/s"), (1240, "1.24 kbit/s"), (99.6e9, "100 Gbit/s"), (999_700, "1.00 Mbit/s")],
    )
    def test_quantities_in_three_digits(self, amount, text) -> None:
        assert streams.short(amount, "bit/s") == text

    @pytest.mark.parametrize(("amount", "top"), [(0, 1), (0.9, 1), (11, 12), (350, 400), (401e6, 600e6), (999, 1000), (1000, 1000)])
    def test_the_axis_ends_at_a_round_amount_near_the_top(self, amount, top) -> None:
        assert streams.nice_ceiling(amount) == pytest.approx(top)

    @pytest.mark.parametrize(
        ("start", "length", "said"),
        [
            ("2026-06-14T20:48Z", timedelta(hours=24), ["15 Jun", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]),
            ("2026-06-14T10:07Z", timedelta(hours=1), ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
            ("2026-10-24T20:00Z", timedelta(hours=12), ["22:00", "25 Oct", "02:00", "04:00", "06:00", "08:00"]),
            (
                "2026-06-01T00:00Z",
                timedelta(days=30),
                ["5 Jun", "9 Jun", "13 Jun", "17 Jun", "21 Jun", "25 Jun", "29 Jun"],
            ),
        ],
    )
    def test_moments_along_the_axis_are_round_on_the_viewers_clock(self, start, length, said) -> None:
        at, zone = datetime.fromisoformat(start), ZoneInfo("Europe/Berlin")
        ticks = streams.ticks_along(at, at + length, zone)
        assert [tick.text for tick in ticks] == said
        for tick in ticks:
            moment = (at + length * ((tick.at - streams.LEFT) / streams.WIDE)).astimezone(zone)
            off = timedelta(minutes=moment.minute % 10, seconds=moment.second)
            assert min(off, timedelta(minutes=10) - off) < length / 960, "each stands where its moment is"

    @pytest.mark.parametrize("days", [20, 40, 60, 100, 200, 400, 800])
    def test_moments_along_a_long_axis_reach_its_end(self, days) -> None:
        zone, length = ZoneInfo("Europe/Berlin"), timedelta(days=days)
        for later in range(130):
            start = datetime.fromisoformat("2026-02-03T15:20Z") + timedelta(days=later)
            at = [tick.at for tick in streams.ticks_along(start, start + length, zone)]
            gaps = [after - before for before, after in pairwise(at)]
            even = max(gaps) + streams.WIDE * (timedelta(hours=1) / length) + 0.1
            assert at[0] - streams.LEFT <= even and streams.LEFT + streams.WIDE - at[-1] <= even, (start, at)

    def test_bands_fill_both_sides(self) -> None:
        drawn = streams.sankey([(0, 0, 60), (0, -1, 20), (-1, 0, 20)], [0, -1], [0, -1])
        assert sum(node.height for node in drawn.left) == sum(node.height for node in drawn.right) == pytest.approx(320)
        assert len(drawn.bands) == 3


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_is_accessible_and_worked_by_keys(opened, settings) -> None:
    desk = factory.sample(clock_now(), filler=2)
    root = settings.STATE / "flows" / "archive"
    stored(root, made(600, at=clock_now() - timedelta(hours=1)), at=clock_now() - timedelta(hours=1))
    Exporter.objects.create(address="192.0.2.250", first_seen=desk.now, last_seen=desk.now, facts={"streams": [STREAM]})
    pages = [
        "/traffic/",
        "/traffic/?view=sankey&by=local",
        "/traffic/?view=heat&by=peer",
        "/traffic/?where=nonsense",
        "/traffic/?last=1h&where=vlan+9999",
    ]
    pages += ["/traffic/exporters/", "/traffic/flows/?address=198.51.100.3&last=6h"]
    for width, dark in ((1440, False), (390, True)):
        page = opened("bob", width=width, dark=dark)
        wrong = [text for one in pages for text in check(page, one)]
        assert not wrong, "\n".join(wrong)
    page = opened("bob")
    page.goto("/traffic/")
    page.get_by_label("By", exact=True).select_option("peer_port")
    page.get_by_label("Only", exact=False).first.fill("direction out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Other port")).to_be_visible(timeout=60_000)
    assert "by=peer_port" in page.url and "where=direction" in page.url
    page.get_by_role("link", name="Only 22 ssh").click()
    expect(page.get_by_label("Only", exact=False).first).to_have_value("direction out and peer_port 22", timeout=60_000)
