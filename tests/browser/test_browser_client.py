"""Runs the JavaScript tests of this folder by Node.js, and checks the client's types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web.npm import install

HERE = Path(__file__).parent
CLIENT = HERE.parent.parent / "clients" / "browser"
TESTS = sorted(HERE.glob("*.test.js"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_javascript(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    run = subprocess.run([node, "--test", str(path)], capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stdout + run.stderr


def test_types(tmp_path: Path) -> None:
    """The sample uses everything the client has, and is what TypeScript calls strict."""
    folder = install("typescript@7.0.2", tmp_path)
    shutil.copytree(CLIENT, folder / "client")
    shutil.copy(HERE / "types_sample.ts", folder / "sample.ts")
    options = "--noEmit --strict --target es2022 --module nodenext --lib es2023,dom"
    run = subprocess.run(
        ["npx", "tsc", *options.split(), "sample.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert run.returncode == 0, run.stdout
