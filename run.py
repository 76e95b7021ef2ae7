#!/usr/bin/env python3
"""The two commands of the README, with nothing but Python 3.11 and its standard library.

    python3 run.py demo    run Tipstaff on a throwaway state with a labelled sample
    python3 run.py test    run every check and every test

The first call makes `.venv` beside this file, installs what requirements.lock names (checked against its hashes) and this
project; later calls start at once. Further words go to the command: `python3 run.py test tests/accounts`.
"""

import hashlib
import os
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed-from"
LOWEST = (3, 11)
LINES = 120  # of a failed check that are shown


def main(words: list[str]) -> int:
    if sys.version_info < LOWEST:
        return complain(f"Python {'.'.join(map(str, LOWEST))} or later is needed, this is {sys.version.split()[0]}")
    if not words or words[0] not in {"demo", "test", "install"}:
        return complain(__doc__.strip())
    try:
        install()
    except subprocess.CalledProcessError as error:
        return complain(f"installing failed (exit code {error.returncode}); the lines above say why")
    except OSError as error:
        return complain(f"{VENV} cannot be made: {error}")
    if words[0] == "install":
        return 0
    if words[0] == "test":
        return test(words[1:])
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "tipstaff.project.cli", "demo", *words[1:]])  # noqa: S606 - no shell is the point


def complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 2


def wanted() -> str:
    """What the virtual environment must have been made from to be good."""
    parts = [(ROOT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    return hashlib.sha256(b"\0".join([*parts, str(ROOT).encode(), str(sys.version_info[:2]).encode()])).hexdigest()


def install() -> None:
    """Make the virtual environment what the lock file says; does nothing when it already is."""
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted():
        return
    print(f"installing into {VENV} (once: about a minute, several on a busy machine or a slow line)", file=sys.stderr, flush=True)
    if not PYTHON.exists() or not runs():
        venv.EnvBuilder(with_pip=True, clear=VENV.exists(), symlinks=True).create(VENV)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], check=True)
    STAMP.write_text(wanted())


def runs() -> bool:
    """Whether the interpreter of an older virtual environment still starts."""
    return subprocess.run([PYTHON, "-c", "import pip"], capture_output=True, check=False).returncode == 0


CHECKS = (
    ("types", ("mypy", "tipstaff", "tests", "run.py")),
    ("lint", ("ruff", "check", "--output-format=concise", ".")),
    ("format", ("ruff", "format", "--check", ".")),
    ("layers", ("lint-imports", "--no-cache", "--no-logo")),
    ("migrations", ("django-admin", "makemigrations", "--check", "--dry-run")),
    ("collection", ("pytest", "-q", "-p", "no:cacheprovider", "--collect-only")),  # compiles every module before workers want it
)


def test(words: list[str]) -> int:
    """Every check, then every test, quick ones first; the last line is pytest's own. 0 only when all of them passed.

    With further words only pytest runs, with those words.
    """
    os.chdir(ROOT)
    if words:
        return subprocess.run([PYTHON, "-m", "pytest", *words], check=False).returncode
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tipstaff.project.settings"}
    with ThreadPoolExecutor(2) as beside:  # the types take as long as everything else
        checked = list(beside.map(lambda named: check(named[0], named[1], environment), CHECKS))
    failed = [name for (name, _), right in zip(CHECKS, checked, strict=True) if not right]
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}", flush=True)
    workers = min(2, os.cpu_count() or 1) + 1  # one more than processors: much of a test is waiting for servers
    tests = subprocess.run([PYTHON, "-m", "pytest", "-q", "-n", str(workers)], check=False)
    return 1 if failed else tests.returncode


def check(name: str, command: tuple[str, ...], environment: dict[str, str]) -> bool:
    began = time.monotonic()
    made = subprocess.run([VENV / "bin" / command[0], *command[1:]], env=environment, capture_output=True, text=True, check=False)
    print(f"{name:<12} {'ok' if made.returncode == 0 else 'FAILED'}  {time.monotonic() - began:.1f} s", flush=True)
    if made.returncode:
        lines = (made.stdout + made.stderr).splitlines()
        print("\n".join(lines[:LINES]), flush=True)
        if len(lines) > LINES:
            print(f"… {len(lines) - LINES} more lines: run `.venv/bin/{' '.join(command)}`", flush=True)
    return made.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
