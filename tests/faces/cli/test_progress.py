"""The line that says how far the work is: drawn on a terminal, wiped at the end, absent elsewhere."""

import io
import os
import pty
import subprocess
import sys

import pytest

from tipstaff.faces.cli.progress import drawing, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_where_the_whole_is_known_else_the_count():
    assert drawing("Checking", 50, 200) == "Checking  [######------------------]   25%"
    assert drawing("Reading", 1234567, 0) == "Reading  1,234,567"
    assert drawing("Waiting", 0, 0) == "Waiting …"
    assert drawing("Checking", 300, 200).endswith("100%"), "a file that grew meanwhile"


def test_it_is_drawn_once_per_change_and_wiped():
    out = Terminal()
    with shown(out) as progress:
        progress("Reading", 1)
        progress("Reading", 1)
        progress("Reading", 2)
    assert out.getvalue() == "\r\x1b[KReading  1\r\x1b[KReading  2\r\x1b[K"


def test_the_line_is_wiped_before_an_error_is_told():
    out = Terminal()
    with pytest.raises(ValueError, match="broken"), shown(out) as progress:
        progress("Reading", 1)
        raise ValueError("broken")
    assert out.getvalue().endswith("\r\x1b[K")


def test_nothing_is_drawn_where_nobody_sits():
    out = io.StringIO()
    with shown(out) as progress:
        progress("Reading", 1)
    assert out.getvalue() == ""


def test_on_a_real_terminal_results_stay_on_standard_output():
    master, slave = pty.openpty()
    program = "from tipstaff.faces.cli.progress import shown\nwith shown() as p:\n    p('Checking', 1, 2)\nprint('done')"
    made = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=slave, check=True)
    os.close(slave)
    assert made.stdout == b"done\n" and b"Checking" in os.read(master, 1000)
    os.close(master)
