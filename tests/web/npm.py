"""Fetches a package of npm's for a test, into a folder of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FETCH_SECONDS = 60


def install(package: str, folder: Path) -> Path:
    """`folder`, with the package under `node_modules`. Skips the test where that cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm is not installed: {package} cannot be fetched")
    command = [npm, "install", "--no-save", "--no-fund", "--no-audit", "--ignore-scripts", package]
    try:
        fetched = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch {package} within {FETCH_SECONDS} s")
    if fetched.returncode != 0:
        pytest.skip(f"npm cannot fetch {package}: {fetched.stderr.strip()[-200:]}")
    return folder
