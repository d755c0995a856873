"""How many connections may be open at once does not depend on the shell that started the daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("soft", "hard", "then"), [(256, 4_000, 4_000), (2_000, 2_000, 2_000)])
def test_the_front_takes_as_many_as_the_system_allows(soft: int, hard: int, then: int) -> None:
    program = (
        "import resource as r; from monitor.app.front import allow_sockets; "
        f"r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard})); allow_sockets(); print(r.getrlimit(r.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"({then}, {hard})"
