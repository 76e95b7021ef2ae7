"""What is looked through first may leave out nothing that a detector would find."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.sensors.traffic.detection import contacts as K
from tipstaff.sensors.traffic.detection import looking, thresholds

CONTACTS, LIMITS = K.Contacts((16, 16, 16, 16)), thresholds.read("[default]\nscan.in.ports_minute = 30")
looking.mark(CONTACTS, LIMITS)
APPLIED = LIMITS.applied(4, 0, 32, 0)
NUMBERS = st.tuples(st.integers(0, 512), st.integers(0, 512), st.integers(0, 128), st.integers(0, 128))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 3), NUMBERS, st.integers(0, 9000), st.integers(0, 9000), st.sampled_from([0, 1, 2, 10, 100, 1000]),
    st.booleans(), st.tuples(*[st.integers(0, 30_000)] * 4),
)  # fmt: skip
def test_whoever_a_detector_finds_is_looked_at(concern, distinct, short, long, rate, inward, answered) -> None:
    fans = CONTACTS.fans[concern]
    fans.rows[0] = 0
    fans.rows[0, K.KEY] = 2 | inward
    fans.rows[0, K.GENERATIONS] = 1000 | 1000 << 32
    fans.rows[0, K.DISTINCT] = sum(count << 16 * place for place, count in enumerate(distinct))
    fans.rows[0, K.SHORT], fans.rows[0, K.LONG] = short, short + long
    fans.rows[0, K.ABOUT] = rate
    fans.rows[0, K.ANSWERED] = sum(count << 16 * place for place, count in enumerate(answered))
    fan = looking.fan_of(fans, 0, concern, 1000)
    judged = [one.judge(fan, APPLIED, APPLIED["timing.release"]) for one in looking.DETECTORS if fan.concern in one.CONCERNS]
    places = np.zeros(1, np.int64)
    kept = bool(looking.may_be_over(fans, places, CONTACTS.least[concern], concern, CONTACTS.release)[0])
    assert kept or judged == [None] * len(judged)


def test_nearly_everybody_is_left_out() -> None:
    fans = CONTACTS.fans[K.PROBE]
    fans.rows[0] = 0
    fans.rows[0, K.DISTINCT] = sum(count << 16 * place for place, count in enumerate((6, 8, 3, 4)))
    fans.rows[0, K.SHORT], fans.rows[0, K.LONG], fans.rows[0, K.ABOUT] = 6, 8, 10
    assert not looking.may_be_over(fans, np.zeros(1, np.int64), CONTACTS.least[K.PROBE], K.PROBE, CONTACTS.release)[0]
