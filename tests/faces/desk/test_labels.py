"""Names in the picture of our addresses: inside their own outline, never over a neighbour or a count."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faces.desk import factory
from tipstaff.faces.desk.hilbert import frame_for, rectangles
from tipstaff.faces.desk.labels import Label, labels_of, width
from tipstaff.kernel.clock import now as clock_now

FRAME = frame_for(IPv4Network("192.0.2.0/24"))
BLOCKS = st.builds(lambda length, at: list(FRAME.network.subnets(new_prefix=length))[at % 2 ** (length - 24)],
                   st.integers(24, 31), st.integers(0, 255))  # fmt: skip


def _under(label: Label, letters: float) -> set[tuple[int, int]]:
    return {(label.x + i, label.y) for i in range(int(0.2 + width(label.text, letters)) + 1)}


def _inside(network: IPv4Network) -> set[tuple[int, int]]:
    return {(x + i, y + j) for x, y, w, h in rectangles(FRAME, network) for i in range(w) for j in range(h)}


@settings(deadline=None)  # the machine may be busy
@given(
    st.dictionaries(BLOCKS, st.text("Wmailx. é", min_size=1, max_size=30), max_size=12),
    st.sets(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=60),
    st.sampled_from([0.31, 0.52, 0.79]),
)
def test_labels_never_touch_each_other_a_count_or_the_outside(held, counted, letters) -> None:
    taken: set[tuple[int, int]] = set()
    for label in labels_of(FRAME, list(held.items()), counted, letters):
        under = _under(label, letters)
        assert not under & taken and not under & counted
        assert any(under <= _inside(network) for network in held)
        taken |= under


def test_a_nested_assignment_pushes_the_outer_name_aside() -> None:
    outer, inner = IPv4Network("192.0.2.0/26"), IPv4Network("192.0.2.0/28")
    found = {label.text[:3]: label for label in labels_of(FRAME, [(outer, "Ostrava"), (inner, "Tern")], set(), 0.52)}
    assert _under(found["Ter"], 0.52) <= _inside(inner)
    assert _under(found["Ost"], 0.52) <= _inside(outer) - _inside(inner)


def test_what_is_too_narrow_is_left_out_and_what_is_long_is_shortened() -> None:
    rows = [(IPv4Network("192.0.2.0/28"), "Wombat Mammoth Webhosting"), (IPv4Network("192.0.2.16/30"), "Wombat Mammoth")]
    (label,) = labels_of(FRAME, rows, set(), 0.52)
    assert label.text.endswith("…") and "Wombat Mammoth Webhosting".startswith(label.text[:-1])


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("prefixes", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [1440, 1000])
def test_letters_are_12_pixels_and_stay_within_their_outline(opened, prefixes: int, width: int) -> None:
    """As drawn by the browser: the box of every label lies within some outline, and no two boxes meet."""
    made = factory.sample(clock_now(), filler=0)
    _prefixes(made, prefixes)
    page = opened("alice", width=width)
    page.goto("/")
    sizes = page.eval_on_selector_all(
        ".hil text", "all => all.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)"
    )
    assert sizes and all(11.5 < size < 12.5 for size in sizes), sizes
    wrong = page.evaluate(
        """() => [...document.querySelectorAll('.hil svg')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBBox()])
            const own = [...svg.querySelectorAll('.own')].map(p => p.getBBox())
            const out = boxes.filter(([, b]) => !own.some(o => b.x >= o.x && b.x + b.width <= o.x + o.width))
            const met = boxes.filter(([, a], i) => boxes.some(([, b], j) => i < j && Math.round(a.y) == Math.round(b.y)
                && a.x < b.x + b.width && b.x < a.x + a.width))
            return [...out, ...met].map(([text]) => text)
        })"""
    )
    assert wrong == []


def _prefixes(made: factory.Sample, wanted: int) -> None:
    """So many prefixes of ours, the first of them cut into nested pieces."""
    blocks = ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "192.0.0.0/24", "198.18.0.0/24"][:wanted]
    factory.OwnPrefix.objects.all().delete()
    source = factory.InventorySource.objects.get()
    for block in blocks:
        factory.OwnPrefix.objects.create(prefix=block, source=source)
    names = ["Tern Games", "Meridian Cloud", "Halden Mail AS", "Wombat Mammoth Webhosting"]
    for place, (name, block) in enumerate(zip(names, ("0/27", "16/28", "64/28", "96/29"), strict=True)):
        customer = factory.Customer.objects.create(name=name, external_id=f"X-{place}", created_at=made.now)
        service = factory.Service.objects.create(customer=customer, name=name, external_id=f"S-{place}", started_at=made.now)
        factory.Assignment.objects.create(
            prefix=f"203.0.113.{block}", period=factory.TimestamptzRange(made.now - 300 * 24 * factory.H, None),
            source=source, service=service, external_id=f"nb-{place}", recorded_at=made.now,
        )  # fmt: skip
