"""The doctor as a real process: what it says, and when it finds a fault."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from server.doctor import EXTRAS, doctor
from tests.live import FAKES
from tests.process import ROOT, environment, running

KEY = "a-key-of-more-than-16-characters"


class Examined(NamedTuple):
    exit_code: int
    report: str

    def graded(self, grade: str) -> str:
        """The findings of one grade."""
        lines = self.report.splitlines()
        return "\n".join(line for line in lines if line.startswith(f"  {grade} "))


@pytest.fixture
def examine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Examined]:
    """Runs the doctor in an empty folder, with these flags and settings."""
    monkeypatch.chdir(tmp_path)
    known = {"API_PORT": "0", "DEFAULT_MODEL": "ticking", "EXTRA_MODELS": ",".join(FAKES)}

    def run(*flags: str, **settings: str) -> Examined:
        exit_code = doctor(flags, known | settings, tmp_path / ".env")
        return Examined(exit_code, capsys.readouterr().out)

    return run


Examine = Callable[..., Examined]


def test_a_sound_machine_and_configuration(examine: Examine) -> None:
    done = examine(API_KEYS=KEY)
    assert done.exit_code == 0, done.report
    assert done.report.endswith("Nothing is at fault\n")
    for section in ("Machine", "Extras", "Configuration", "Models"):
        assert f"\n{section}\n" in done.report
    assert "free of" in done.report
    assert "ticking: needs little memory; the default" in done.report
    assert "missing: its weights are not on this machine" in done.report
    assert "→ Run: fetch-weights NAME" in done.report
    assert not done.graded("!")
    assert KEY not in done.report


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"API_PORT": "many"}, "API_PORT='many' is wrong"),
        ({"DEFAULT_MODEL": "none-such"}, "'none-such' is not served here"),
        ({"DEFAULT_MODEL": "missing"}, "its weights are not on this machine"),
        ({"EXTRA_MODELS": "mine=no.such:Model"}, "EXTRA_MODELS: No module named 'no'"),
        ({"OUTPUT_DIR": "a-file"}, "OUTPUT_DIR: a-file cannot be written: File exists"),
        ({"LOG_DIR": "a-file/log"}, "LOG_DIR: a-file/log cannot be written"),
        ({"UVICORN_CONFIG": "none.json"}, "UVICORN_CONFIG=none.json cannot be read"),
        ({"DATABASE_URL": "sqlite+aiosqlite:///a-file/x.db"}, "stored jobs: "),
        ({"MODEL_MEMORY_BUDGET": "1MB", "DEFAULT_MODEL": "heavy-3"}, "heavy-3 needs 3.0 GB"),
    ],
)
def test_a_fault_is_said_and_is_the_exit_code(
    examine: Examine, settings: dict[str, str], said: str
) -> None:
    Path("a-file").touch()
    done = examine(**settings)
    assert done.exit_code == 1
    assert said in done.graded("FAULT")
    assert "fault(s)" in done.report


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"API_HOST": "0.0.0.0"}, "API_KEYS: none, and 0.0.0.0 can be reached"),
        ({"API_KEYS": "short"}, "fewer than 16 characters"),
        ({"RATE_LIMIT_STORAGE_URL": "redis://127.0.0.1:9"}, "does not answer"),
    ],
)
def test_what_is_doubtful_is_no_fault(
    examine: Examine, settings: dict[str, str], said: str
) -> None:
    done = examine(**settings)
    assert done.exit_code == 0, done.report
    assert said in done.graded("!")


def test_flags_count_as_they_do_for_the_server(examine: Examine) -> None:
    assert examine("--music_model_name", "missing").exit_code == 1


def test_a_port_that_another_program_has(examine: Examine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = examine(API_PORT=str(port))
    assert done.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.report


def test_beside_a_running_server_its_stores_are_left_alone(
    examine: Examine, tmp_path: Path
) -> None:
    with running(tmp_path) as server:
        done = examine(API_PORT=str(server.port))
    assert done.exit_code == 0, done.report
    assert "a Continuo answers" in done.report


def test_it_is_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "doctor", "--port", "many"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAULT settings: --port='many' is wrong" in done.stdout


def test_it_knows_every_extra_that_a_server_may_have() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    table = text.split("[project.optional-dependencies]")[1].split("[tool.")[0]
    known = set(re.findall(r"^([\w-]+) = \[", table, re.M))
    assert set(EXTRAS) == known - {"test", "kernels", "dev", "pictures"}


def test_alike_models_are_told_of_together(examine: Examine) -> None:
    report = examine(ALLOW_DOWNLOADS="").report
    lines = [line for line in report.splitlines() if "facebook/musicgen-large" in line]
    assert len(lines) == 1
    assert "facebook/musicgen-small" in lines[0]
