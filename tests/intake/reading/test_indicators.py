"""Addresses, URLs, domains and mailboxes as people write and defang them; nothing that is not there."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.intake.reading.indicators import (
    find_addresses,
    find_domains,
    find_mailboxes,
    find_networks,
    find_urls,
    host_of,
    normal_domain,
    normal_ip,
    normal_url,
    refang,
    registered_domain,
)


def values(found):
    return [one.value for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ["192.0.2.1"]),
        ("from 192.0.2.1.", ["192.0.2.1"]),
        ("(192.0.2.1)", ["192.0.2.1"]),
        ("[192.0.2.1]", ["192.0.2.1"]),
        ("192.0.2.1:443", ["192.0.2.1"]),
        ("192.0.2.1, 192.0.2.2; 192.0.2.3", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("192[.]0[.]2[.]1", ["192.0.2.1"]),
        ("192.0.2[.]1", ["192.0.2.1"]),
        ("192(.)0(.)2(.)1", ["192.0.2.1"]),
        ("192[dot]0[dot]2[dot]1", ["192.0.2.1"]),
        ("192 [.] 0 [.] 2 [.] 1", ["192.0.2.1"]),
        ("192{.}0{.}2{.}1", ["192.0.2.1"]),
        ("SRC=192.0.2.1 DST=192.0.2.2", ["192.0.2.1", "192.0.2.2"]),
        ("http://192.0.2.1/24", ["192.0.2.1"]),
        ("192.0.2.1/32", ["192.0.2.1"]),
        ("user@192.0.2.1", ["192.0.2.1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("[2001:db8::1]:80", ["2001:db8::1"]),
        ("2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]),
        ("::ffff:192.0.2.1", ["192.0.2.1"]),
        ("IPv6:2001:db8::1", ["2001:db8::1"]),
        ("2001:db8::1.", ["2001:db8::1"]),
        ("адрес 192.0.2.1。", ["192.0.2.1"]),
        ("IP：192.0.2.1，攻击", ["192.0.2.1"]),
        ("fe80::1%eth0", ["fe80::1"]),
        ("<b>192.0.2.1</b>", ["192.0.2.1"]),
        ('"192.0.2.1"', ["192.0.2.1"]),
        ("192.0.2.1->198.51.100.2", ["192.0.2.1", "198.51.100.2"]),
        ("192.0.2.1-", ["192.0.2.1"]),
    ],
)
def test_addresses_are_found(text, expected):
    found = find_addresses(text)
    assert values(found) == expected
    assert all(text[one.start : one.end] == one.as_written for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "92.222.64.5.4",
        "192.0.2.xxx",
        "192.0.2.*",
        "192.0.2.0/24",
        "announces 192.0.2.0/24. Many",
        "192.0.2.0/8, x",
        "256.0.2.1",
        "192.0.2",
        "v1.2.3.4b",
        "1.2.3.4.5.6.7",
        "12:34:56",
        "aa:bb:cc:dd:ee:ff",
        "00:11:22:33:44:55:66:77",
        "2001:db8::/32",
        "host-192.0.2.1.example.net",
        "192.0.2.1.example.net",
        "999.999.999.999",
        "192.0.2.01",
        "a::b",
        "::",
        "1:2:3",
        "91.78.17.xxx",
        "192.0.2.1a",
        "x192.0.2.1",
        "192.0.2.300",
    ],
)
def test_what_is_no_single_address_is_left_out(text):
    assert find_addresses(text) == []


def test_networks_are_named_as_such():
    assert values(find_networks("192.0.2.0/24 and 2001:db8::/32, 192.0.2.1/32 http://192.0.2.1/24 192.0.2.77/25")) == [
        "192.0.2.0/24",
        "2001:db8::/32",
        "192.0.2.0/25",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("[IPv6:2001:DB8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("fe80::1%3", "fe80::1"),
        ("192.0.2.256", None),
        ("192.0.2", None),
        ("192.0.2.1/24", None),
        ("192.0.2.1:80", None),
        ("192.0.2.x", None),
        ("010.0.0.1", None),
        ("", None),
        (None, None),
        ("3232235777", None),
        ("1.2.3.4.5", None),
        ("localhost", None),
        ("١٩٢.0.2.1", None),
    ],
)
def test_one_address_or_none(text, value):
    assert normal_ip(text) == value


@given(st.ip_addresses())
def test_every_address_is_its_own_normal_form(address):
    mapped = getattr(address, "ipv4_mapped", None)
    expected = str(mapped or address)
    assert normal_ip(str(address)) == expected
    assert normal_ip(address.exploded) == expected
    assert normal_ip(expected) == expected


@given(
    st.ip_addresses(v=4),
    st.sampled_from(["[.]", "(.)", "{.}", "[dot]", "(dot)", ".", " [.] "]),
    st.sampled_from([" ", "\n", "(", '"', "=", "é ", "： "]),
)
def test_any_defanged_address_is_found(address, dot, before):
    text = f"x{before}{str(address).replace('.', dot)} y"
    assert values(find_addresses(text)) == [str(address)]


@settings(max_examples=300)
@given(st.text(alphabet="0123456789.:/[]()abcdefx* \n-é", max_size=80))
def test_nothing_found_that_is_not_there(text):
    for one in find_addresses(text):
        assert normal_ip(one.value) == one.value
        assert text[one.start : one.end] == one.as_written
        if ipaddress.ip_address(one.value).version == 4 and ":" not in one.as_written:
            assert refang(one.as_written).replace(" ", "") == one.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://bad.example/x", ["http://bad.example/x"]),
        ("HTTP://Bad.Example/Path?Q=1#f", ["http://bad.example/Path?Q=1#f"]),
        ("hxxp://bad.example/x.", ["http://bad.example/x"]),
        ("hXXps://bad[.]example/x", ["https://bad.example/x"]),
        ("hxxp[:]//bad[.]example[/]x", None),
        ("http[:]//bad.example/", ["http://bad.example/"]),
        ("http[://]bad.example/", ["http://bad.example/"]),
        ("(see http://bad.example/a_(b))", ["http://bad.example/a_(b)"]),
        ("<http://bad.example/>", ["http://bad.example/"]),
        ('"http://bad.example/x"', ["http://bad.example/x"]),
        ("http://192.0.2.1:8080/x", ["http://192.0.2.1:8080/x"]),
        ("http://[2001:db8::1]/x", ["http://[2001:db8::1]/x"]),
        ("ftp://files.example/x", ["ftp://files.example/x"]),
        ("http://пример.рф/путь", ["http://xn--e1afmkfd.xn--p1ai/путь"]),
        ("http://user@bad.example/", ["http://user@bad.example/"]),
        ("网址http://bad.example/x，请处理", ["http://bad.example/x"]),
        ("http://a.example/,http://b.example/", None),
        ("h**p://bad.example/", ["http://bad.example/"]),
        ("http:\\/\\/bad.example\\/x", None),
    ],
)
def test_urls(text, expected):
    found = find_urls(text)
    assert all(text[one.start : one.end] == one.as_written for one in found)
    if expected is not None:
        assert values(found) == expected
    else:
        assert found and host_of(found[0].value) in ("bad.example", "a.example")


@pytest.mark.parametrize(
    "text", ["http://", "http:///x", "https://-/", "mailto:a@b.example", "http ://x", "xhttp://bad.example/", "://bad.example"]
)
def test_no_urls(text):
    assert find_urls(text) == []


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example/x", "a.example"),
        ("http://u@a.example:80/x", "a.example"),
        ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ("http://192.0.2.1", "192.0.2.1"),
        ("http://a.example?x", "a.example"),
    ],
)
def test_host_of_a_url(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bad.example.com is phishing", ["bad.example.com"]),
        ("bad[.]example[.]com", ["bad.example.com"]),
        ("see report.zip and run.py", []),
        ("evil[.]zip", ["evil.zip"]),
        ("Bad.Example.COM.", ["bad.example.com"]),
        ("a@example.org http://x.example.net/", []),
        ("e.g. this, i.e. that", []),
        ("example.invalidtld", []),
        ("bücher.de", ["xn--bcher-kva.de"]),
        ("1.2.3.4", []),
        ("91.78.17.xxx", []),
        ("foo.bar()", []),
    ],
)
def test_domains(text, expected):
    assert values(find_domains(text)) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a[.]example", "a.example"),
        ("192.0.2.1", None),
        ("localhost", None),
        ("a..b", None),
        ("-a.example", None),
        ("a b.example", None),
        ("x" * 64 + ".example", None),
        (".example", None),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("", None),
        (None, None),
    ],
)
def test_one_domain_or_none(text, value):
    assert normal_domain(text) == value


def test_registered_domain():
    assert [registered_domain(name) for name in ("a.b.example.co.uk", "example.org", "co.uk")] == [
        "example.co.uk",
        "example.org",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rita <rita@Example.ORG>", ["rita@example.org"]),
        ("rita[at]example[.]org", ["rita@example.org"]),
        ("rita (at) example.org", ["rita@example.org"]),
        ("no at here", []),
        ("a@b", []),
        ("<a+tag@example.org>;", ["a+tag@example.org"]),
    ],
)
def test_mailboxes(text, expected):
    assert values(find_mailboxes(text)) == expected


@given(st.text(max_size=120))
def test_any_text_is_searched_without_failing(text):
    for find in (find_addresses, find_networks, find_urls, find_domains, find_mailboxes):
        for one in find(text):
            assert text[one.start : one.end].startswith(one.as_written[:1])
    refang(text), normal_url(text), normal_domain(text), normal_ip(text)
