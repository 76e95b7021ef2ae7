"""Trace headers of many servers, the hop on the accused side, and authentication results that may be trusted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.message import Hints, Message
from tipstaff.intake.reading.authentication import Authenticated, authenticated_domains
from tipstaff.intake.reading.received import hops, is_global, source_hop, within

WHEN = "; Mon, 16 Nov 2026 10:00:00 +0100"


def message(*received: str, hints: Hints | None = None, **headers: str) -> Message:
    fields = [("Received", value) for value in received]
    fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Message(kind="mail", raw=b"", headers=fields, hints=hints or Hints())


@pytest.mark.parametrize(
    ("value", "ip", "name", "by"),
    [
        (
            "from mail.example.org (mail.example.org [192.0.2.1]) by mx.example.net (Postfix) with ESMTPS id 4X",
            "192.0.2.1",
            "mail.example.org",
            "mx.example.net",
        ),
        (
            "from mail.example.org ([192.0.2.1]) by mx.example.net with esmtp (Exim 4.96) id 1abc",
            "192.0.2.1",
            "mail.example.org",
            "mx.example.net",
        ),
        (
            "from [192.0.2.1] (helo=mail.example.org) by mx.example.net with esmtpsa (Exim 4.96)",
            "192.0.2.1",
            None,
            "mx.example.net",
        ),
        ("from [192.0.2.1] (port=40125 helo=mail) by mx.example.net with esmtp", "192.0.2.1", None, "mx.example.net"),
        ("from unknown (HELO mail.example.org) (192.0.2.1) by mx.example.net with SMTP", "192.0.2.1", None, "mx.example.net"),
        ("from unknown (HELO mail) (carol@192.0.2.1) by mx.example.net with ESMTPA", "192.0.2.1", None, "mx.example.net"),
        (
            "from 198.51.100.9 (EHLO mail.example.org) (192.0.2.1) by mta1.example.net with SMTP",
            "192.0.2.1",
            None,
            "mta1.example.net",
        ),
        (
            "from mail.example.org (2001:db8::1) by mx.example.net (2001:db8:1::2) with Microsoft SMTP Server id 15.20",
            "2001:db8::1",
            "mail.example.org",
            "mx.example.net",
        ),
        (
            "from mail.example.org (mail.example.org [IPv6:2001:db8::1]) by mx.example.net (8.17/8.17) with ESMTP id x",
            "2001:db8::1",
            "mail.example.org",
            "mx.example.net",
        ),
        (
            "from mail.example.org (mail.example.org. [192.0.2.1]) by mx.google.com with ESMTPS id d2si. for <a@example.net>",
            "192.0.2.1",
            "mail.example.org",
            "mx.google.com",
        ),
        ("by mx.example.net (Postfix, from userid 33) id 4X", None, None, "mx.example.net"),
        ("(qmail 4711 invoked by uid 89)", None, None, None),
        ("from mail.example.org by mx.example.net with SMTP", None, "mail.example.org", "mx.example.net"),
        ("from nothing at all", None, None, None),
        ("", None, None, None),
    ],
)
def test_hops_of_many_servers(value, ip, name, by):
    (hop,) = hops(message(value + WHEN)) if value else hops(message(""))
    assert (hop.from_ip, hop.from_name, hop.by) == (ip, name, by)


def test_a_hop_names_its_place_and_time():
    first, second = hops(message("from a.example.org ([192.0.2.1]) by b.example.org" + WHEN, "from c ([192.0.2.2]) by d; nonsense"))
    assert (first.where, first.at.isoformat(), first.time_as_written) == (
        "Received 1",
        "2026-11-16T09:00:00+00:00",
        "Mon, 16 Nov 2026 10:00:00 +0100",
    )
    assert second.at is None and second.time_as_written == "nonsense"


def test_the_source_is_who_handed_it_over_not_what_he_claims_came_before():
    trace = message(
        "from filter.reporter.example.org (localhost [127.0.0.1]) by mail.reporter.example.org" + WHEN,
        "from mx.reporter.example.org (mx.reporter.example.org [198.51.100.9]) by filter.reporter.example.org" + WHEN,
        "from mail.customer.example.com (mail.customer.example.com [192.0.2.1]) by mx.reporter.example.org" + WHEN,
        "from forged.example.net ([203.0.113.5]) by mail.customer.example.com" + WHEN,
    )
    assert source_hop(trace).from_ip == "192.0.2.1"
    assert source_hop(trace, own_networks=("203.0.113.0/24",)).from_ip == "203.0.113.5"
    assert source_hop(message("from a (a [10.0.0.1]) by b" + WHEN)) is None
    assert source_hop(message("from a (a [10.0.0.1]) by b" + WHEN), own_networks=("10.0.0.0/8",)).from_ip == "10.0.0.1"


@pytest.mark.parametrize(
    ("ip", "answer"),
    [
        ("192.0.2.1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("2001:db8::1", True),
        ("fe80::1", False),
        ("1.1.1.1", True),
        ("::1", False),
        (None, False),
    ],
)
def test_public_addresses(ip, answer):
    assert is_global(ip) is answer


def test_within_reads_prefixes_and_ignores_nonsense():
    assert (
        within("192.0.2.1", ("nonsense", "192.0.2.0/24"))
        and not within("192.0.2.1", ("2001:db8::/32",))
        and not within(None, ("192.0.2.0/24",))
    )


@given(st.text(max_size=200))
def test_any_received_field_is_a_hop(value):
    (hop,) = hops(message(value))
    assert hop.raw == value
    source_hop(message(value, value))


PASS = (
    "mx.network.example.net; dkim=pass header.d=reporter.example.org; "
    "spf=pass smtp.mailfrom=bounce@mail.reporter.example.org; dmarc=pass header.from=reporter.example.org"
)


def test_only_trusted_servers_authenticate():
    trusted = Hints(trusted_authserv=("mx.network.example.net",))
    assert authenticated_domains(message(hints=trusted, authentication_results=PASS)) == [
        Authenticated("reporter.example.org", "dmarc"),
        Authenticated("reporter.example.org", "dkim"),
        Authenticated("mail.reporter.example.org", "spf"),
    ]
    assert authenticated_domains(message(authentication_results=PASS)) == []
    assert authenticated_domains(message(hints=trusted, authentication_results=PASS.replace("mx.network", "mx.evil"))) == []
    assert authenticated_domains(message(hints=trusted, authentication_results=PASS.replace("=pass", "=fail"))) == []
    assert authenticated_domains(
        message(
            hints=trusted, authentication_results="mx.network.example.net; dkim=pass (not header.d=evil.example) header.d=a.example"
        )
    ) == [Authenticated("a.example", "dkim")]


def test_a_field_below_a_foreign_one_is_not_believed():
    trusted = Hints(trusted_authserv=("mx.network.example.net",))
    both = Message(
        kind="mail",
        raw=b"",
        hints=trusted,
        headers=[("Authentication-Results", "mx.evil.example; dkim=pass header.d=a.example"), ("Authentication-Results", PASS)],
    )
    assert authenticated_domains(both) == []
