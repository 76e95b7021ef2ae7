"""The documents name files, commands and settings that exist."""

import re

import click
import pytest

from tests.house.source import ROOT, files, shown
from tipstaff.project import cli, environment

DOCUMENTS = [path for path in files() if path.suffix == ".md" and not shown(path).startswith(("tipstaff/", "tests/"))]
A_PATH = re.compile(r"`((?:tipstaff|tests|docs|\.ci)/[\w./-]+|[A-Z_]+\.md|run\.py|pyproject\.toml|requirements\.lock)`")
A_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
A_COMMAND = re.compile(r"(?:^|[`/\s])tipstaff(?: --state \S+)? ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_named_files_exist(document) -> None:
    text = document.read_text()
    named = {*(ROOT / name.rstrip("/.") for name in A_PATH.findall(text))}
    linked = {document.parent / name for name in A_LINK.findall(text)}
    assert [str(path) for path in named | linked if not path.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_named_commands_exist(document) -> None:
    quoted = " ".join(re.findall(r"`[^`\n]+`|^    .+$|^\$ .+$", document.read_text(), re.MULTILINE))
    known = cli._commands()
    for name, below in A_COMMAND.findall(quoted):
        assert name in known, f"`tipstaff {name}` in {shown(document)}"
        command = cli.tipstaff.get_command(click.Context(cli.tipstaff), name)
        if below and isinstance(command, click.Group):
            assert below in command.list_commands(click.Context(command)), f"`tipstaff {name} {below}` in {shown(document)}"


def test_every_setting_is_documented() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    assert [option.variable for option in environment.OPTIONS if option.variable not in text] == []


def test_what_every_project_should_have() -> None:
    wanted = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "THREAT_MODEL", "ARCHITECTURE")
    assert [name for name in wanted if not (ROOT / f"{name}.md").exists()] == []
    assert "Apache License" in (ROOT / "LICENSE").read_text()
