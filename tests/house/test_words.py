"""What must not be in a file of ours: paths of one machine, hosts of package indexes, unfinished business, secrets."""

import ast
import re

import pytest

from tests.house.source import ROOT, files, package, shown, tree

# Written in pieces so that this file does not find itself.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.])/(?:work|root)/(?:main|shared|\.)|/home/\w+/"),
    "the host of a package index": re.compile(
        r"pypi\." + r"org|python" + r"hosted|npm" + r"js\.|--index-" + "url|--extra-" + "index"
    ),
    "unfinished business": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE" + " KEY-----"),
    "a merge conflict": re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE),
}
# A captured format may carry any text; fixtures of our own are held to documentation addresses elsewhere.
EXEMPT = ("tests/corpus/",)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    found = [
        f"{shown(path)}: {match.group(0)}"
        for path in files()
        if not shown(path).startswith(EXEMPT) and (match := FORBIDDEN[what].search(path.read_text(errors="replace")))
    ]
    assert found == []


def test_only_one_module_reads_the_environment() -> None:
    """And only one reads the clock: see the linter's banned names."""
    readers = {
        shown(path)
        for path in package()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    wsgi = "tipstaff/project/wsgi.py"  # names the settings module, as Django asks of it
    assert readers - {wsgi} == {"tipstaff/project/environment.py"}


def test_the_lock_file_has_hashes_for_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE).strip())
    assert len(blocks) > 50
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_fixtures_name_documentation_addresses_only() -> None:
    """Fixtures are made up: mail addresses in them lie under example names, or are of a service that a parser names."""
    address = re.compile(r"[\w.+-]+@((?:[\w-]+\.)+[a-z]{2,})", re.IGNORECASE)
    fine = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org|edu))?|test|invalid|localhost|local|tld)$", re.IGNORECASE)
    known = ("tipstaff/intake/parsers/", "tipstaff/intake/vocabulary/")
    text = "\n".join(path.read_text(errors="replace").lower() for path in files() if shown(path).startswith(known))
    services = set(re.findall(r"[a-z0-9-]{4,}", text))
    found = {
        f"{shown(path)}: {match.group(0)}"
        for path in files()
        if shown(path).startswith("tests/corpus/")
        for match in address.finditer(path.read_text(errors="replace"))
        if not fine.search(match.group(1)) and not services.intersection(match.group(1).lower().split(".")[:-1])
    }
    assert sorted(found) == []
