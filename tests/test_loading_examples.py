"""The example of loading and unloading in docs/models.md, run as it stands on tiny checkpoints."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.setting_sources import load
from tests.live import Live, live
from tests.models.tiny_musicgen import tiny_checkpoints
from tests.test_examples import ROOT, SHOWN_URL, run

pytest.importorskip("torch", reason="needs the extra musicgen")

PAGE = (ROOT / "docs/models.md").read_text("utf-8")
SECTION = PAGE.split("## Models come and go")[1].split("\n## ")[0]
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """Started with the settings of the page, but for the folder and the port."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    command = re.search(r"^    (.*) python -m server$", SECTION, re.M)
    assert command
    chosen = load([], dict(pair.split("=") for pair in command[1].split()), tmp_path / ".env")
    given = chosen.model_dump(include=chosen.model_fields_set)
    with live(music_model_name="sketch", models_dir=tiny_checkpoints(tmp_path), **given) as running:
        yield running


@needs_curl
def test_curl(server: Live, tmp_path: Path) -> None:
    load_it, list_them, unload_it = re.findall(r"^    (curl .*)$", SECTION, re.M)
    assert json.loads(shell(load_it, server, tmp_path))["phase"] in ("loading", "ready")
    assert '"phase":"ready"' in shell(list_them, server, tmp_path)
    assert json.loads(shell(unload_it, server, tmp_path))["phase"] in ("unloading", "unloaded")


@needs_curl
def test_what_does_not_fit(server: Live, tmp_path: Path) -> None:
    shown = re.search(r"^    \$ (curl .*)\n    (.*)$", SECTION, re.M)
    assert shown
    assert shell(shown[1], server, tmp_path) == shown[2]


def test_python(server: Live, tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", SECTION, re.S)
    assert found
    done = run([sys.executable, "-c", found[1].replace(SHOWN_URL, server.url)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ready \d+ bytes$", done.stdout, re.M)


def shell(command: str, server: Live, folder: Path) -> str:
    done = run(["bash", "-ec", command.replace(SHOWN_URL, server.url)], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout
