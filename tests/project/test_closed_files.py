"""Files that hold secrets are made new, for our account alone, whatever lies in their place."""

import os
from pathlib import Path

import pytest

from tipstaff.project import backups, checkup, flows


def test_a_backup_is_written_into_no_file_or_link_that_somebody_laid_there(tmp_path: Path) -> None:
    theirs, link, open_file = tmp_path / "theirs", tmp_path / "a.partial", tmp_path / "b.partial"
    theirs.write_bytes(b"kept")
    link.symlink_to(theirs)
    open_file.touch(mode=0o666)
    open_file.chmod(0o666)
    for path in (link, open_file):
        with os.fdopen(backups._new_file(path), "wb") as out:
            out.write(b"secret")
        assert not path.is_symlink() and path.read_bytes() == b"secret" and path.stat().st_mode & 0o077 == 0
    assert theirs.read_bytes() == b"kept"


def test_the_folder_of_flows_is_closed_to_others_and_the_doctor_says_where_it_is_not(
    tmp_path: Path, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATE = tmp_path
    monkeypatch.setenv("TIPSTAFF_STATE", str(tmp_path))
    folder = tmp_path / "flows"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert [found.what for found in checkup.state_directory() if found.level == checkup.FAIL] == ["flows"]
    assert flows.own_folder() == folder and folder.stat().st_mode & 0o777 == 0o700
    assert [found for found in checkup.state_directory() if found.level == checkup.FAIL] == []
