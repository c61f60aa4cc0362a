"""The steps of docs/operations.md, from nothing to a server that answers, as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import soundfile

from tests.docker.dockerfiles import ROOT
from tests.live import until
from tests.process import environment

OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
SECTION = OPERATIONS.split("## From nothing to a watched service")[1].split("\n## ")[0]
STEPS = {
    int(number): "\n".join(line[7:] for line in text.splitlines() if line.startswith(" " * 7))
    for number, text in re.findall(r"^(\d)\. (.*?)(?=^\d\. |^Without)", SECTION, re.S | re.M)
}
START = "\n".join(
    re.findall(r"^    (set -a.*|python.*)$", SECTION.split("Without Docker")[1], re.M)
)


@pytest.fixture
def port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def variables() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {k: v for k, v in environment(PATH=path).items() if k != "EXTRA_MODELS"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_steps_lead_to_a_server_with_keys(tmp_path: Path, port: int) -> None:
    def run(script: str) -> str:
        command = ["bash", "-ec", script.replace(":5555", f":{port}")]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(STEPS[1])
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    log = tmp_path / "terminal.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            ["bash", "-ec", START.replace("--port 5555", f"--port {port}")],
            cwd=tmp_path,
            env=variables(),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        until(lambda: "is ready" in log.read_text(), within_seconds=60)
        assert "Nothing is at fault" in log.read_text()
        assert json.loads(run(STEPS[3]))["status"] == "ready"
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 401
        run(STEPS[4])
        assert soundfile.info(tmp_path / "rain.wav").frames == 480_000
        stats, *metrics = re.split(r"(?m)^(?=# HELP)", run(". ./.env\n" + STEPS[5]))
        assert json.loads(stats)["requests"] == {"completed": 1}
        assert any(line.startswith("# HELP continuo_ready") for line in metrics)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def test_the_steps_with_compose_name_files_and_profiles_that_there_are() -> None:
    for command in re.findall(r"docker compose .*", SECTION):
        file = re.search(r"-f (\S+)", command)
        assert file
        assert (ROOT / file[1]).is_file()
        assert set(re.findall(r"--profile (\w+)", command)) <= {"cpu", "gpu", "observability"}
