"""The examples of README.md and docs/api.md, run as they stand against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.live import Live, live

ROOT = Path(__file__).parent.parent
SHOWN_URL = "http://127.0.0.1:5555"
CURLS = [
    (page, example)
    for page in ("README.md", "docs/api.md")
    for example in re.findall(
        r"(?:^    (?:\$ )?(?=curl|job=|task=|printf).*\n)(?:^    .*\n)*",
        (ROOT / page).read_text("utf-8"),
        re.M,
    )
]

PYTHONS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/api.md").read_text("utf-8"), re.S)


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    models = {"lyria_model": "sketch", "diffrhythm_model": "singing"}
    with live(music_model_name="sketch", **models) as running:
        yield running


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(("page", "example"), CURLS, ids=lambda part: part.strip()[:30])
def test_curl(server: Live, tmp_path: Path, page: str, example: str) -> None:
    lines = [line[4:] for line in example.splitlines()]
    shown = [line for line in lines if line.startswith("{")]
    script = "\n".join(line.removeprefix("$ ") for line in lines if line not in shown)
    done = run(["bash", "-ec", script.replace(SHOWN_URL, server.url)], tmp_path)
    assert done.returncode == 0, done.stderr
    if shown:
        assert done.stdout == shown[0]
    elif "rain.wav" in script:
        assert soundfile.info(tmp_path / "rain.wav").frames == 480_000
    elif "song.wav" in script:
        assert soundfile.info(tmp_path / "song.wav").duration == 95
    else:
        assert '"event":"completed"' in done.stdout


def test_there_were_examples_to_run() -> None:
    assert len(CURLS) >= 8
    assert len(PYTHONS) >= 3


def test_the_command_line(server: Live, tmp_path: Path) -> None:
    found = re.search(r"-m clients (.*)", (ROOT / "README.md").read_text("utf-8"))
    assert found
    command = f"{sys.executable} -m clients {found[1]} --server {server.url}"
    done = run(["bash", "-ec", command], tmp_path)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "rain.wav").frames == 20 * 48_000


def test_the_python_example(server: Live, tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert found
    done = run([sys.executable, "-c", found[1].replace(SHOWN_URL, server.url)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lofi-with-rain" in done.stdout


@pytest.mark.parametrize("script", PYTHONS, ids=range(len(PYTHONS)))
def test_the_python_examples_of_the_wire(server: Live, tmp_path: Path, script: str) -> None:
    address = server.url.removeprefix("http://")
    done = run([sys.executable, "-c", script.replace("127.0.0.1:5555", address)], tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.wav")
    assert soundfile.info(file).duration == {"rain": 10, "song": 95}[file.stem]
