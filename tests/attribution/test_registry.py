"""Reading what registries answer: their bootstrap files, their networks, and anything else they might send."""

import string
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.attribution.registries import answer, bootstrap
from tipstaff.attribution.registry import read, server_of, servers
from tipstaff.kernel.errors import ParseError


class TestBootstrap:
    def test_the_longest_prefix_wins_and_only_https_is_asked(self):
        known = servers(
            bootstrap(
                ("192.0.2.0/24", "https://one.example/rdap"), ("192.0.2.128/25", "http://plain.example/", "https://two.example/")
            )
        )
        assert server_of("192.0.2.7", known) == "https://one.example/rdap/"
        assert server_of("192.0.2.200", known) == "https://two.example/"
        assert server_of("198.51.100.1", known) is None and server_of("2001:db8::1", known) is None

    def test_a_registry_with_plain_http_only_is_left_out(self):
        assert servers(bootstrap(("192.0.2.0/24", "http://plain.example/"))) == []

    @pytest.mark.parametrize(
        "wrong", [{}, [], {"services": {}}, {"services": [["192.0.2.0/24"]]}, {"services": [[["x"], ["https://a.example/"]]]}]
    )
    def test_what_is_no_bootstrap_file_is_refused_with_the_place(self, wrong):
        with pytest.raises(ParseError, match="services"):
            servers(wrong)


class TestNetwork:
    def test_the_abuse_contact_may_lie_below_the_registrant(self):
        found = read(answer("203.0.113.0", "203.0.113.255", "abuse@elsewhere.example", nested=True), "203.0.113.9")
        assert (found.prefixes, found.abuse_contact) == ((ip_network("203.0.113.0/24"),), "abuse@elsewhere.example")

    def test_a_range_that_is_no_prefix_becomes_several(self):
        found = read(answer("203.0.113.0", "203.0.113.191", "abuse@elsewhere.example"), "203.0.113.130")
        assert found.prefixes == (ip_network("203.0.113.0/25"), ip_network("203.0.113.128/26"))

    def test_the_preferred_address_is_taken(self):
        document = answer("203.0.113.0", "203.0.113.255", "second@elsewhere.example")
        document["entities"][0]["vcardArray"][1] += [["email", {"pref": "1"}, "text", "first@elsewhere.example"]]
        assert read(document, "203.0.113.9").abuse_contact == "first@elsewhere.example"

    def test_no_abuse_role_is_no_contact(self):
        document = answer("203.0.113.0", "203.0.113.255", "owner@elsewhere.example")
        document["entities"][0]["roles"] = ["registrant"]
        assert read(document, "203.0.113.9").abuse_contact == ""

    @pytest.mark.parametrize(
        "mail",
        [
            "no address",
            "a@b",
            "x@y@example.org",
            "a b@example.org",
            "<a@example.org>",
            "a\n@example.org",
            7,
            None,
            "a" * 300 + "@example.org",
        ],
    )
    def test_what_is_no_mail_address_is_not_shown_to_anybody(self, mail):
        assert read(answer("203.0.113.0", "203.0.113.255", mail), "203.0.113.9").abuse_contact == ""

    def test_an_answer_about_another_network_is_refused(self):
        with pytest.raises(ParseError, match=r"does not cover 192\.0\.2\.1"):
            read(answer("203.0.113.0", "203.0.113.255", "abuse@elsewhere.example"), "192.0.2.1")

    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(string.printable, max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["entities", "roles", "vcardArray", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )

    @given(entities=json, vcard=json, first=json, handle=json)
    def test_whatever_stands_there_only_a_parse_error_leaves(self, entities, vcard, first, handle):
        document = answer("203.0.113.0", "203.0.113.255", "abuse@elsewhere.example") | {"entities": entities, "handle": handle}
        assert read(document, "203.0.113.9").prefixes
        document["entities"] = [{"roles": ["abuse"], "vcardArray": vcard}]
        assert isinstance(read(document, "203.0.113.9").abuse_contact, str)
        try:
            read(document | {"startAddress": first}, "203.0.113.9")
        except ParseError as error:
            assert "startAddress" in str(error)
