"""The examples of docs/models.md, run as they stand against tiny checkpoints."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.live import Live, live, parse
from tests.models.musicgen.test_chroma import tune
from tests.models.tiny_melody import tiny_melody
from tests.models.tiny_musicgen import tiny_checkpoints

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/models.md").read_text("utf-8")
SHOWN_URL = "http://127.0.0.1:5555"


def is_run_elsewhere(example: str) -> bool:
    """In tests/audiocraft, and with a fake of Google in tests/models/lyria."""
    return "mbd" in example or "lyria" in example


CURLS = [
    example
    for example in re.findall(r"(?:^    curl.*\n)(?:^    .*\n)*", TEXT, re.M)
    if "generate_music" in example and not is_run_elsewhere(example)
]
SCRIPTS = [
    script
    for script in re.findall(r"```python\n(.*?)```", TEXT, re.S)
    if "MusicGenClient" in script and not is_run_elsewhere(script)
]
TUNE_SECONDS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    models_dir = tiny_checkpoints(tmp_path_factory.mktemp("models"))
    tiny_melody(models_dir / "facebook/musicgen-melody")
    settings = {"models_dir": models_dir, "max_batch": 3, "waiting_places": 8}
    with live(music_model_name="facebook/musicgen-small", **settings) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "tune.wav", tune(6, TUNE_SECONDS / 6), 32_000)
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected_seconds(example: str) -> int:
    return 2 + TUNE_SECONDS if "continue_audio" in example else 2


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("example", CURLS, ids=range(len(CURLS)))
def test_curl(server: Live, folder: Path, example: str) -> None:
    script = "\n".join(line[4:] for line in example.splitlines())
    events = parse(run(["bash", "-ec", script.replace(SHOWN_URL, server.url)], folder).encode())
    last = events[-1]
    assert last["event"] == "completed"
    sound = soundfile.info(io.BytesIO(base64.b64decode(last["audio"])))
    assert sound.duration == expected_seconds(example)
    codes = [event["code"] for event in events if event["event"] == "warning"]
    assert codes == (["unseparated_melody"] if "melody=@" in example else [])
    assert [take["seed"] for take in last.get("takes", [])] == (
        [7, 8, 9] if "num_takes" in example else []
    )


@pytest.mark.parametrize("example", SCRIPTS, ids=range(len(SCRIPTS)))
def test_python(server: Live, folder: Path, example: str) -> None:
    paths = run([sys.executable, "-c", example.replace(SHOWN_URL, server.url)], folder).split()
    assert len(paths) == (3 if "num_takes" in example else 1)
    for path in paths:
        assert soundfile.info(folder / path).duration == expected_seconds(example)


def test_there_are_examples_of_everything() -> None:
    for word in ("melody", "continue_audio", "num_takes", "normalize"):
        assert any(word in example for example in CURLS), word
        assert any(f"{word}=" in example for example in SCRIPTS), word
