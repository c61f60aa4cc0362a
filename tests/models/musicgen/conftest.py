from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.tiny_musicgen import FIXTURES

MONO = FIXTURES / "mono"


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="needs the extra musicgen")
    with torch.inference_mode():
        yield


@pytest.fixture
def hf(tmp_path: Path) -> Path:
    """A Hugging Face checkpoint that a test may spoil."""
    return Path(shutil.copytree(MONO / "huggingface", tmp_path / "hf"))


@pytest.fixture
def ac(tmp_path: Path) -> Path:
    """An audiocraft checkpoint that a test may spoil."""
    return Path(shutil.copytree(MONO / "audiocraft", tmp_path / "ac"))
