"""URLs, paths and hosts blocked at a real nginx, asked as a browser would ask it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.enforcement.connector_contract import ConnectorContract, bounds, order
from tests.enforcement.servers import need_programs
from tests.enforcement.testbed.front import FrontBed
from tipstaff.enforcement.connectors import http_rules
from tipstaff.enforcement.connectors.contract import Connector, NotOurs, OrderView, Receipt, Rejected, State
from tipstaff.enforcement.connectors.http import BLOCKS, FORMER, Http
from tipstaff.kernel.errors import InputError
from tipstaff.project.processes import wait_until

HOST = "shop.example.net"


@pytest.fixture(scope="module")
def one_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontBed]:
    need_programs("nginx")
    bed = FrontBed(tmp_path_factory.mktemp("nginx"))
    bed.start()
    yield bed
    bed.kill()


@pytest.fixture
def bed(one_bed: FrontBed) -> Iterator[FrontBed]:
    yield one_bed
    for name in (BLOCKS, FORMER, "server.conf"):
        (one_bed.directory / name).unlink(missing_ok=True)
    one_bed.theirs.clear()
    one_bed.let_others_block()
    one_bed.reload_wholly()
    assert wait_until(lambda: all(one_bed.status(host, "/") == 200 for host in (HOST, "example.com")), 60)


class FrontContract(ConnectorContract):
    """``standing`` is what nginx answers for every target and neighbour, once a reload has been taken up."""

    neighbours = (
        (HOST, "/"), (HOST, "/login"), (HOST, "/login/"), (HOST, "/login?next=/"), (HOST, "/cart"),
        (HOST, "/kit/a"), ("example.com", "/"), ("www.example.com", "/"), ("www.example.com", "/x"),
        ("example.com", "/login"), ("pay.example.com", "/")
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _bed(self, bed: FrontBed) -> None:
        self.bed = bed

    @pytest.fixture
    def connector(self) -> Http:
        return Http(self.bed.settings, bounds())

    def standing(self) -> Any:
        self.settle()
        path = self.bed.directory / BLOCKS
        listed = [line for line in path.read_text().splitlines() if line.startswith("#")] if path.exists() else []
        return {one: self.bed.status(*one) for one in self.neighbours}, listed[1:]

    def settle(self) -> None:
        """A reload is taken up by new workers in a moment: wait until the answers stand still and are those of the file."""
        path = self.bed.directory / BLOCKS
        if not path.exists():
            return
        lines = [json.loads(line[8:]) for line in path.read_text().splitlines() if line.startswith(http_rules.MARK)]
        listed = {(one["scope"], one["text"]) for one in lines}

        def same() -> bool:
            return all((self.bed.status(*one) in {403, 451}) is (one in self.expected(listed)) for one in self.neighbours)

        assert wait_until(same, 60), listed
        assert same()

    def expected(self, listed: set[tuple[str, str]]) -> set[tuple[str, str]]:
        hosts = {text for scope, text in listed if scope == "site"}
        urls = {text for scope, text in listed if scope == "url"}
        return {(h, p) for h, p in self.neighbours if h in hosts or f"https://{h}{p.partition('?')[0]}" in urls}

    def plant(self, target: str) -> None:
        self.bed.let_others_block(theirs=target.removeprefix("https://"))
        self.bed.reload_wholly()
        host, _, path = target.removeprefix("https://").partition("/")
        assert self.bed.status(host, "/" + path) == 410

    def tamper(self, done: OrderView) -> None:
        path = self.bed.directory / BLOCKS
        text = path.read_text()
        path.write_text(text.replace("example", "exomple", 1))
        assert path.read_text() != text

    def test_what_was_changed_since_is_not_taken_away(self, connector: Connector) -> None:
        receipt = self.carry_out(connector, self.order())
        self.tamper(receipt.order)
        changed = (self.bed.directory / BLOCKS).read_text()
        assert connector.verify(receipt).state is State.FOREIGN
        for call in (lambda: connector.lift(receipt), connector.actual, lambda: connector.apply(self.order(2, self.targets[1]))):
            with pytest.raises(NotOurs, match="changed since"):
                call()
        assert (self.bed.directory / BLOCKS).read_text() == changed

    def break_peer(self) -> None:
        self.bed.kill()

    def mend_peer(self) -> None:
        self.bed.start()


class TestUrls(FrontContract):
    kind, scope = "url_block", "url"
    targets = (f"https://{HOST}/login", "https://example.com/login", "https://www.example.com/x")
    outside, protected = "https://shop.example.edu/login", "https://desk.example.org/x"


class TestSites(FrontContract):
    kind, scope = "url_block", "site"
    targets = (HOST, "www.example.com", "pay.example.com")
    outside, protected = "shop.example.edu", "desk.example.org"

    def plant(self, target: str) -> None:
        super().plant(f"https://{target}/")


@pytest.fixture
def web(bed: FrontBed) -> Http:
    return Http(bed.settings, bounds())


def blocked(bed: FrontBed, web: Http, *texts: str, scope: str = "url") -> None:
    for number, text in enumerate(texts, 1):
        wanted, before = order(number, "url_block", scope, text), bed.workers()
        web.apply(wanted)
        assert wait_until(lambda wanted=wanted: web.verify(Receipt(wanted)).state is State.IN_PLACE, 60), bed.said()
        if bed.workers() != before:  # it was reloaded: those of before go on answering for a moment
            bed.wait_until_gone(before)


@pytest.mark.parametrize(
    ("text", "gone", "stays"),
    [
        (
            "/login",
            ["/login", "/login?a=b", "/%6Cogin", "//login", "/x/../login", "/./login", "/lo%67in?"],
            ["/", "/Login", "/login/", "/login2", "/xlogin", "/a/login", "/login%20", "/login%3Fa"],
        ),
        (
            "/p?id=7",
            ["/p?id=7", "/%70?id=7"],
            ["/p", "/p?id=70", "/p?id=8", "/p?x&id=7", "/p%3Fid=7", "/p?ID=7"],
        ),
        (
            "/kit/*",
            ["/kit/", "/kit/a", "/kit/a/b?c", "/x/../kit/a", "/kit//a"],
            ["/kit", "/kits/a", "/KIT/a", "/"],
        ),
        ("/", ["/", "/?x"], ["/a", "/index.html"]),
        ("/caf%C3%A9", ["/caf%C3%A9", "/caf%c3%a9"], ["/cafe", "/caf%E9"]),
        ("/café", ["/caf%C3%A9"], ["/cafe"]),
        (
            "/a%22;b{$host}~*",
            ["/a%22;b%7B$host%7D~*", "/a%22;b{$host}~*"],
            ["/a", "/a%22;b", "/a%22;bshop.example.net~*"],
        ),
        ("/a%2Fb", ["/a%2Fb", "/a/b"], ["/a%252Fb"]),
    ],
)
def test_just_that_url_is_blocked(bed: FrontBed, web: Http, text: str, gone: list[str], stays: list[str]) -> None:
    blocked(bed, web, f"https://{HOST}{text}")
    assert {one: bed.status(HOST, one) for one in gone} == dict.fromkeys(gone, 403)
    assert {one: bed.status(HOST, one) for one in stays} == dict.fromkeys(stays, 200)
    assert bed.status("example.com", gone[0]) == 200
    assert bed.status("SHOP.example.net:8443", gone[0]) == 403


def test_a_site_is_blocked_whole_and_its_neighbours_stay(bed: FrontBed, web: Http) -> None:
    blocked(bed, web, HOST, scope="site")
    assert bed.status(HOST, "/") == bed.status(HOST, "/any?thing") == bed.status(HOST.upper(), "/") == 403
    assert [bed.status(host, "/") for host in ("example.net", "x.shop.example.net", "shop.example.com")] == [200, 200, 200]


def test_an_address_as_host(bed: FrontBed, web: Http) -> None:
    blocked(bed, web, "http://203.0.113.7/login", "http://[2001:db8:7::7]:8080/login")
    assert bed.status("203.0.113.7", "/login") == bed.status("[2001:db8:7::7]:8080", "/login") == 403
    assert bed.status("203.0.113.8", "/login") == bed.status("203.0.113.7", "/") == 200


def test_the_page_names_the_case_and_nobody(bed: FrontBed) -> None:
    words = {"status": "451", "title": 'A "title" & $host', "text": "Ask <b>us</b>;\\ } {", "blocked_by": "https://example.net/aup"}
    web = Http({**bed.settings, **words}, bounds())
    blocked(bed, web, f"https://{HOST}/login")
    status, headers, body = bed.get(HOST, "/login")
    assert status == 451 and "Reference: 4312<" in body
    assert headers["Content-Type"] == "text/html" and headers["Cache-Control"] == "no-store"
    assert headers["Link"] == '<https://example.net/aup>; rel="blocked-by"'
    assert "A &quot;title&quot; &amp; &#36;host" in body and "Ask &lt;b&gt;us&lt;/b&gt;;&#92; } {" in body
    assert "phishing" not in body and "tipstaff:" not in body and "4.2" not in body


def test_two_orders_for_one_site_and_a_url_in_it_are_kept_apart(bed: FrontBed, web: Http) -> None:
    site, url = order(1, "url_block", "site", HOST), order(2, "url_block", "url", f"https://{HOST}/login", case=9)
    for one in (site, url):
        web.apply(one)
    assert wait_until(lambda: bed.status(HOST, "/") == 403, 60)
    web.lift(Receipt(site))
    assert wait_until(lambda: bed.status(HOST, "/") == 200, 60)
    assert web.verify(Receipt(url)).state is State.IN_PLACE and "Reference: 9<" in bed.get(HOST, "/login")[2]
    assert web.verify(Receipt(order(1, "url_block", "site", HOST, leaving=True))).state is State.ABSENT


def test_what_nginx_would_not_read_changes_nothing(bed: FrontBed, web: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that breaks nginx is found before it counts, and nginx goes on as before."""
    blocked(bed, web, f"https://{HOST}/login")
    before = (bed.directory / BLOCKS).read_text()
    rendered = http_rules.render
    monkeypatch.setattr(
        http_rules, "render", lambda blocks: rendered(blocks) + "map $host { broken\n" if list(blocks) else rendered([])
    )
    with pytest.raises(NotOurs):
        web.apply(order(2, "url_block", "url", f"https://{HOST}/cart"))  # the very file is not what it should be
    monkeypatch.setattr(http_rules, "read", lambda text: ())
    with pytest.raises(Rejected, match="nothing was changed"):
        web.apply(order(2, "url_block", "url", f"https://{HOST}/cart"))
    assert (bed.directory / BLOCKS).read_text() == before
    assert bed.status(HOST, "/login") == 403


def test_a_file_that_only_the_whole_configuration_refuses_is_taken_back(bed: FrontBed, web: Http) -> None:
    """Here another file of the operator's uses our variable's name: the trial passes, the whole does not."""
    blocked(bed, web, f"https://{HOST}/login")
    before = (bed.directory / BLOCKS).read_text()
    (bed.here / "others.conf").write_text("map $host $theirs { default ''; }\nmap_hash_bucket_size 64;\n")
    with pytest.raises(Rejected, match="has the former ones"):
        web.apply(order(2, "url_block", "url", f"https://{HOST}/cart"))
    assert (bed.directory / BLOCKS).read_text() == before and not (bed.directory / FORMER).exists()
    assert bed.status(HOST, "/login") == 403 and bed.status(HOST, "/cart") == 200


def test_killed_before_the_test_was_over_the_former_file_comes_back(bed: FrontBed, web: Http) -> None:
    blocked(bed, web, f"https://{HOST}/login")
    live = bed.directory / BLOCKS
    before = live.read_text()
    live.rename(bed.directory / FORMER)
    live.write_text("what was being written when the program was killed")
    assert {one.target for one in web.actual()} == {f"https://{HOST}/login"}
    assert live.read_text() == before


def test_a_front_that_was_made_anew_gets_its_blocks_again(bed: FrontBed, web: Http) -> None:
    blocked(bed, web, f"https://{HOST}/login")
    for name in (BLOCKS, "server.conf"):
        (bed.directory / name).unlink()
    bed.reload_wholly()
    assert bed.status(HOST, "/login") == 200
    assert web.actual() == frozenset()
    assert web.verify(Receipt(order(1, "url_block", "url", f"https://{HOST}/login"))).state is State.ABSENT
    blocked(bed, web, f"https://{HOST}/login")
    assert bed.status(HOST, "/login") == 403


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("status", "404"),
        ("front", "nowhere"),
        ("front", "a:99999"),
        ("blocked_by", 'https://x/"; return 200;'),
        ("directory", "etc"),
    ],
)
def test_a_bad_setting_is_named(field: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Http({field: text}, bounds())
    assert caught.value.problems[0].where == field
