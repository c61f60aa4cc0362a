"""Every example of clients/README.md runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.dialect_server import serving
from tests.clients.scripts import whole_song

ROOT = Path(__file__).parents[2]
README = (ROOT / "clients" / "README.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:5555"

PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def run(directory: Path, *arguments: str, server_url: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CONTINUO_SERVER": server_url},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


def test_there_are_examples() -> None:
    assert len(PROGRAMS) >= 4
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs(program: str, tmp_path: Path) -> None:
    assert URL in program
    with serving(whole_song, whole_song) as server:
        said = run(tmp_path, "-c", program.replace(URL, server.url), server_url=server.url)
        assert server.bodies
    assert "Error" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str, tmp_path: Path) -> None:
    python, *arguments = shlex.split(command)
    assert python == "python"
    with serving(whole_song) as server:
        said = run(tmp_path, *arguments, server_url=server.url)
        assert server.bodies[0]["description"] == "lofi with rain"
    assert ".wav" in said or ".flac" in said
