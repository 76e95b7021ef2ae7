"""No URL, host or word can say anything to nginx but what is to be blocked."""

import re
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.enforcement.servers import need_programs
from tests.enforcement.testbed.front import FrontBed
from tipstaff.enforcement import targets
from tipstaff.enforcement.connectors import http_rules
from tipstaff.enforcement.connectors.contract import NotOurs, Rejected
from tipstaff.enforcement.connectors.http_rules import Block, Page
from tipstaff.kernel.errors import InputError

# Everything that may stand in the file: a comment of printable ASCII, the frame of a map, a row of harmless signs.
ROW = re.compile(
    r'    "(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]|-|1|~\^(?:[A-Za-z0-9/=&%,:~_-]|\\x[0-9a-f]{2}|\[\^\\x20\]\*)+(?:\\z)?)" "\d*";'
)
FRAME = re.compile(
    r'# [\x20-\x7e]*|map \$\w+ \$\w+ \{|    default ("-"|""|"\$tipstaff_site");'
    r'|    "1" "\$host \$args \$uri";|    "" "\$tipstaff_url";|\}'
)
HOSTILE = (
    '/";}server{listen 81;}#', "/x\\", '/\\";', "/$host", "/${host}", "/~^.*$", "/a b", "/%0a}", "/%00", "/%22%3B%7D",
    "/include /etc/passwd;", "/'", "/\u2028", "/\x85;", "/default", "/*", "/(?{system})", "/[", "/%5Cz", "/a%zz", "/..", "/../..",
    "/?" + "a" * 1900, "/" + "é" * 1500,
    "/" + "%22" * 600, '/?";return 200;', "/?$args", "/?a b", "/#frag", "/;/*", "/%2e%2e/%2e%2e", "/\ud800", "/?\udfff",
)  # fmt: skip

paths = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec="utf-8"), max_size=60).map(lambda text: "/" + text),
    st.text(st.sampled_from("ab/.%\";{}$\\~^*?#[]()|+ '25eEFf0C3A9"), max_size=40).map(lambda text: "/" + text),
)


def block(text: str, number: int = 1) -> Block | None:
    """The block of a URL, None where the URL is refused with a reason, as it is before anything is written."""
    try:
        target = targets.parse("url", text)
        http_rules.asked(target)
        made = Block(f"tipstaff:7f:{number}", 4312, "url", target.text)
        http_rules.render([made])
    except (InputError, Rejected) as error:
        assert str(error)
        return None
    return made


@given(paths, st.sampled_from(["https://shop.example.net", "http://[2001:db8:7::7]:81", "https://a.b"]))
@example("/kit/*", "https://shop.example.net")
@settings(max_examples=400, deadline=None)
def test_a_url_says_nothing_but_itself(path: str, site: str) -> None:
    made = block(site + path)
    if made is None:
        return
    text = http_rules.render([made])
    assert all(ROW.fullmatch(line) or FRAME.fullmatch(line) for line in text.split("\n")[:-1]), text
    assert http_rules.read(text) == (made,)


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_a_host_says_nothing_but_itself(text: str) -> None:
    try:
        target = targets.parse("site", text)
        rendered = http_rules.render([Block("tipstaff:7f:1", 1, "site", target.text)])
    except (InputError, Rejected):
        return
    assert all(ROW.fullmatch(line) or FRAME.fullmatch(line) for line in rendered.split("\n")[:-1]), rendered


@given(st.text(max_size=120), st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_the_operators_words_stay_within_their_string(title: str, text: str) -> None:
    shown = http_rules.server_part(Page(403, title, text))
    frame = http_rules.server_part(Page(403, "", ""))
    assert shown.count('"') == frame.count('"') and shown.count("$") == frame.count("$") and shown.count("\\") == frame.count("\\")
    assert shown.count("\n") == frame.count("\n") and shown.count("<") == frame.count("<")


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_a_file_that_is_not_ours_is_never_taken_for_ours(text: str) -> None:
    with pytest.raises(NotOurs):
        http_rules.read(text)
    with pytest.raises(NotOurs):
        http_rules.read(http_rules.render([]) + text + "x")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(paths, min_size=40, max_size=60))
@example(list(HOSTILE))
def test_nginx_blocks_hostile_urls_and_nothing_else(real: FrontBed, found: list[str]) -> None:
    blocks = [made for number, path in enumerate(found, 1) if (made := block("https://shop.example.net" + path, number))]
    real.directory.mkdir(exist_ok=True)
    (real.directory / "blocks.conf").write_text(http_rules.render(blocks))
    (real.directory / "server.conf").write_text(http_rules.server_part(Page(403, "Blocked", "")))
    before = (real.here / "error.log").stat().st_size
    real.reload_wholly()
    assert "[emerg]" not in (real.here / "error.log").read_text()[before:]
    for made in blocks:
        wanted = http_rules.asked(made.target())
        target = quote_from_bytes(wanted.path, safe="/") + (f"?{wanted.args}" if wanted.args is not None else "")
        assert real.status("shop.example.net", target) == 403, (made, target)
        assert real.status("example.com", target) == 200, (made, target)
    listed = {http_rules.asked(made.target()).path for made in blocks}
    if not any(path in (b"/", b"/untouched") or b"/untouched".startswith(path) for path in listed):
        assert real.status("shop.example.net", "/untouched") == 200


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory):
    need_programs("nginx")
    bed = FrontBed(Path(tmp_path_factory.mktemp("nginx")))
    bed.start()
    yield bed
    bed.kill()
