"""Machine code that is kept between runs is not used once any source of it has changed, also one in another file."""

from pathlib import Path

import pytest

from tipstaff.sensors.traffic.decoders import loads
from tipstaff.sensors.traffic.decoders.sflow import decode_sflow

PART = "from tipstaff.sensors.traffic.decoders.loads import inlined\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "headers.py").write_text(PART)
    (tmp_path / "plain.py").write_text("x = 1\n")
    return tmp_path


def test_a_changed_part_is_told_wherever_it_stands(folder: Path) -> None:
    before = loads._digest(folder)
    (folder / "plain.py").write_text("x = 2\n")
    assert loads._digest(folder) == before, "it has no part of a kernel"
    (folder / "parts" / "headers.py").write_text(PART + "y = 1\n")
    assert loads._digest(folder) != before


def test_every_kernel_is_kept_under_all_sources() -> None:
    assert decode_sflow._cache._cache_file._source_stamp[1] == loads.SOURCES
