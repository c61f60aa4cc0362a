"""Each client stands alone: without the server's code, without the other's library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        ("clients.requests_client", {"server", "aiohttp"}),
        ("clients.aiohttp_client", {"server", "requests"}),
        ("clients.__main__", {"server", "aiohttp"}),
    ],
)
def test_a_client_imports_only_its_own(module: str, foreign: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "clients" in imported
    assert not imported & foreign
