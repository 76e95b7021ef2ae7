"""Links that open one thing: nothing in them can be changed, and they end."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.correspondence import links

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
CAROL = "abuse@carol.example"


def test_a_link_opens_what_it_was_made_for_and_says_when_it_is_over():
    token = links.token_of("case:4312", "contact:17", NOW, to=CAROL)
    assert links.opened(token, NOW) == links.Opened("case:4312", "contact:17", NOW, False, links.mailbox_mark(CAROL))
    assert links.opened(token, NOW + timedelta(days=31)).expired
    assert links.address_of("case:4312", "contact:17", NOW, to=CAROL).endswith(f"/c/{token}")


def test_a_link_knows_where_it_was_sent_and_does_not_tell():
    token = links.token_of("case:4312", "contact:17", NOW, to=CAROL)
    found = links.opened(token, NOW)
    assert found.was_sent_to(CAROL) and found.was_sent_to("Abuse@Carol.example")
    assert not found.was_sent_to("abuse@dave.example") and not found.was_sent_to("")
    assert b"carol" not in urlsafe_b64decode(token + "=" * (-len(token) % 4)) and len(token) < 80


@given(st.integers(0, 60), st.text(alphabet="abcDEF-_0189", min_size=1, max_size=1))
def test_no_character_of_it_can_be_changed(place, letter):
    token = links.token_of("case:4312", "contact:17", NOW, to=CAROL)
    changed = token[:place] + letter + token[place + 1 :]
    found = links.opened(changed, NOW)
    assert found is None or found == links.opened(token, NOW)


@given(st.text(max_size=500))
def test_anything_else_opens_nothing(text):
    assert links.opened(text, NOW) is None
