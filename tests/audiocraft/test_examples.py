"""The examples of docs/models.md that need the audiocraft package, run as they stand."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

pytest.importorskip("audiocraft", reason="needs the audiocraft package: make test-audiocraft")

from tests.audiocraft.tiny_diffusion import write_diffusion
from tests.live import Live, live
from tests.models.tiny_musicgen import TINY_NAME
from tests.test_examples import ROOT, SHOWN_URL, run

PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")


@pytest.fixture
def server(models_dir: Path) -> Iterator[Live]:
    write_diffusion(models_dir)
    with live(music_model_name=TINY_NAME, models_dir=models_dir, engine="audiocraft") as running:
        yield running


def test_multiband_diffusion(server: Live, tmp_path: Path) -> None:
    (curl,) = re.findall(r"^    curl (?:.*\n    )*.*jazz\.wav$", PAGE, re.M)
    (python,) = re.findall(r"```python\n((?:(?!```).)*mbd=True.*?)```", PAGE, re.S)
    done = run(["bash", "-ec", curl.replace(SHOWN_URL, server.url)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "jazz.wav").frames == 2 * 32_000
    done = run([sys.executable, "-c", python.replace(SHOWN_URL, server.url)], tmp_path)
    assert done.returncode == 0, done.stderr
    path = done.stdout.rsplit(" ", 1)[0]
    assert soundfile.info(tmp_path / path).frames == 2 * 32_000
