"""The judgements of the policy need neither Django nor a clock nor a socket."""

import subprocess
import sys

PURE = "categories checking clause_text clauses contents deadlines diff edition loading shapes switches"


def test_pure_modules_load_without_django_and_without_sockets() -> None:
    names = ", ".join(f"tipstaff.policy.{name}" for name in PURE.split())
    code = f"import sys, {names}; print(sorted({{'django', 'psycopg', 'socket', 'tipstaff.kernel.clock'}} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "[]"
