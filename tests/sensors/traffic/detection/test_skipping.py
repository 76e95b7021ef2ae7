"""What is passed over without a closer look may hide nothing that the closer look would find."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tipstaff.sensors.traffic import counting as C
from tipstaff.sensors.traffic import series
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection import evidence, places, thresholds, tracks
from tipstaff.sensors.traffic.detection.detectors import known
from tipstaff.sensors.traffic.detection.limits import Limits
from tipstaff.sensors.traffic.detection.sightings import Aim

AT, ROOM, AMPLIFIED = 1_770_000_000, 8, (C.M_AMP_BYTES, C.M_AMP_PACKETS)
FOLLOW = tracks.Tracks(C.Hosts(400, 1, tracks=ROOM))
SLOTS = np.arange(ROOM)


def played(seed: int, rate: int) -> np.ndarray:
    """Made-up seconds of all tracks, written as the counters do; each metric's greatest."""
    rng, held = np.random.default_rng(seed), FOLLOW.hosts.series
    values = (rng.lognormal(4, 2, (ROOM, series.LENGTH, series.METRICS)) * (rng.random((ROOM, 1, series.METRICS)) < 0.7)).astype(
        np.int64
    )
    values *= (np.sin(np.arange(series.LENGTH) / rng.uniform(1, 20, (ROOM, 1))) > rng.uniform(-1, 1, (ROOM, 1)))[..., None]
    values[..., C.M_SAMPLES] = -(-values[..., C.M_PACKETS] // rate)
    for part in (held.steps, held.amplified, held.base):
        part[:] = 0
    changes = np.diff(values, axis=1, prepend=0) * series.GRAINS
    times = np.arange(AT - series.LENGTH + 2, AT + 1) % series.LENGTH
    held.steps[:, times, : C.M_FRAGMENTS + 1] = changes[:, : len(times), : C.M_FRAGMENTS + 1]
    held.steps[:, times, series.SEEN] = changes[:, : len(times), C.M_SAMPLES]
    held.amplified[:, times] = changes[:, : len(times), AMPLIFIED]
    FOLLOW.top, FOLLOW.table[:], FOLLOW.second, FOLLOW.unrolled[:] = ROOM, tracks.HOST, AT - 1, -1
    FOLLOW.turn(AT)
    FOLLOW.unroll(SLOTS)
    return values[:, : len(times) - 1, : tracks.JUDGED].max(1)


def fired(limits: Limits, is_open: np.ndarray) -> set[int]:
    """The slots of which ``weigh`` says, of all of them, that a metric fires."""
    lasting, out = limits.values * limits.release[:, None], np.zeros((ROOM, tracks.JUDGED, 7))
    which, earliest = np.where(is_open, lasting, limits.values), np.zeros((ROOM, tracks.JUDGED), np.int64)
    tracks.weigh(FOLLOW.hosts.series.seconds, SLOTS, AT, which, lasting, limits.lasts, earliest, out)
    return set(np.flatnonzero(out[:, :, tracks.FIRED].any(1)).tolist())


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1 << 32), st.sampled_from([1, 2, 10, 100, 1000]), st.integers(1, 6),
    st.sampled_from([0.05, 0.3, 0.7, 0.99, 1.0, 1.01, 1.5, 3.0]), st.booleans(),
)  # fmt: skip
def test_no_track_that_fires_is_passed_over(seed, rate, lasts, share, is_open) -> None:
    limits = Limits(ROOM)
    greatest = played(seed, rate)
    limits.values[:] = np.where(greatest > 0, greatest * share, np.inf)
    limits.release[:], limits.lasts[:] = 0.7, lasts
    opened = np.full((ROOM, tracks.JUDGED), is_open)
    assert fired(limits, opened) <= set(limits.over(FOLLOW, tracks.HOST, opened).tolist())
    assert not len(limits.over(FOLLOW, tracks.SUM, opened))


def test_tracks_far_below_their_limits_are_passed_over() -> None:
    limits, none = Limits(ROOM), np.zeros((ROOM, tracks.JUDGED), bool)
    limits.values[:], limits.release[:], limits.lasts[:] = np.maximum(played(1, 1), 1) * 10.0, 0.7, 3
    assert not len(limits.over(FOLLOW, tracks.HOST, none))
    limits.values[3] /= 100
    assert fired(limits, none) <= set(limits.over(FOLLOW, tracks.HOST, none).tolist()) == {3}


NAMES = st.sampled_from([f"{way}.{name}" for way in ("in", "out") for name in places.METRIC_LIMITS.values()])
TOLD = st.lists(st.tuples(st.sampled_from(["default", "customer", "prefix"]), NAMES, st.integers(1, 10_000)), max_size=4)


def table_of(told: list[tuple[str, str, int]], level: str) -> thresholds.Thresholds:
    heads = {"default": "[default]", "customer": "[[customer]]\nid = 17", "prefix": '[[prefix]]\nnetwork = "198.51.100.0/24"'}
    rows = {scope: {name: value for one, name, value in told if one == scope} for scope in heads}
    lines = [
        f"{heads[scope]}\n" + "".join(f"{level}.{name} = {value}\n" for name, value in row.items())
        for scope, row in rows.items()
        if row
    ]
    return thresholds.read("\n".join(lines))


@settings(max_examples=300, deadline=None)
@given(
    TOLD, st.sampled_from(["host", "prefix", "customer"]), st.booleans(), st.lists(st.integers(0, 20_000), min_size=6, max_size=6)
)
@example([("prefix", "in.syn_pps", 100)], "prefix", True, [10, 150, 0, 0, 0, 0])
@example([("default", "in.amplified_bps", 100)], "customer", True, [150, 1, 0, 0, 0, 0])
@example([("customer", "out.amplified_pps", 100)], "host", False, [150, 1, 0, 120, 0, 0])
def test_no_row_that_crosses_a_limit_of_its_own_is_passed_over(told, level, inward, amounts) -> None:
    limits, address = table_of(told, level), 0xC6336407
    key = {"host": 1 << 40 | address << 1, "prefix": C.NETWORK_4 | address >> 8 << 1, "customer": C.CUSTOMER | 17 << 1}[level]
    table = tracks.HOST if level == "host" else tracks.SUM
    rows = np.zeros((1, C.ROW if level == "host" else C.SUM_ROW), np.uint64)
    rows[0, C.KEY], rows[0, 2:] = key | inward, amounts[: rows.shape[1] - 2]
    own = limits.applied(*tracks.place_of(key, (0, 0)), 17)
    assert tracks.level_of(key) == level
    asked = np.isin(np.arange(tracks.JUDGED), [one.metric for one in known.RATES if level in one.levels])
    crosses = asked & (places.rates_of(rows, table)[0] >= places.limits_of(own, level, "in" if inward else "out"))
    said = places.Nearness(limits).of_rows(rows, np.zeros((1, 2), np.int64), table)
    assert said[0] & places.NEAR or not crosses.any()
    assert said[0] & places.PRESSING or not (crosses.any() if level == "host" else crosses[: C.M_PACKETS + 1].any())


def test_a_row_that_is_listed_twice_is_followed_once() -> None:
    rows = np.zeros((3, C.ROW), np.uint64)
    rows[:, C.KEY], rows[:, C.PACKETS_SEEN] = (2, 4, 6), (5, 7, 6)
    listed, said = np.array([(1, 17), (0, 17), (1, 17), (2, -1)]), np.full(4, places.NEAR, np.uint8)
    new = places.newcomers(listed, said, rows, tracks.HOST, 9)
    assert (new.rows.tolist(), new.customers.tolist()) == ([1, 2, 0], [17, 0, 17])


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 1 << 32), st.sampled_from([(4, 0), (4, 24), (4, 32), (6, 48), (6, 128)]), st.integers(0, 1), st.integers(1, 3000)
)
def test_strips_of_flows_that_are_passed_over_hold_none_of_a_subject(seed, whom, end, most) -> None:
    rng, (family, length) = np.random.default_rng(seed), whom
    count, spread = int(rng.integers(1, 1500)), int(rng.integers(1, 600))
    narrow, wide, customers = (
        np.zeros((L.NARROW, count), np.uint32),
        np.zeros((L.WIDE, count), np.uint64),
        np.zeros((2, count), np.int32),
    )
    narrow[L.FAMILY], customers[end] = rng.choice([4, 6], count), rng.choice([0, 17, -1], count, p=[0.98, 0.01, 0.01])
    fours, lows = 0xC6336400 + rng.integers(0, spread, count), 7 * rng.integers(0, spread, count)
    narrow[L.DST if end else L.SRC], wide[L.DST_LO if end else L.SRC_LO] = fours, lows
    wide[L.DST_HI if end else L.SRC_HI] = 0x20010DB8 << 32 | 1 << 16
    if not length:
        address, fits = 0, customers[end] == 17
    elif family == 4:
        address, shift = 0xC6336407 >> 32 - length << 32 - length, 32 - length
        fits = (narrow[L.FAMILY] == 4) & (fours >> shift == address >> shift)
    else:
        address = (0x20010DB8 << 32 | 1 << 16) << 64 | (7 if length == 128 else 0)
        fits = (narrow[L.FAMILY] == 6) & ((lows == 7) | (length == 48))
    found = evidence._at_end(narrow, wide, customers, count, Aim(family, address, length, 17, end), most)
    assert found.tolist() == np.flatnonzero(fits)[:most].tolist()
