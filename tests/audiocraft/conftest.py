"""The audiocraft package on a CPU, over the tiny checkpoints."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.models.tiny_musicgen import tiny_checkpoints

#: Of the tiny text encoder; T5-base's is 768.
TEXT_DIM = 32

if find_spec("audiocraft") is not None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:  # the published torchaudio is built for CUDA: beside torch for CPUs it does not load
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        sys.path.insert(0, str(Path(__file__).parent / "shims"))


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny checkpoints in audiocraft's layout, and their T5 where the package looks for it."""
    from audiocraft.modules.conditioners import T5Conditioner

    monkeypatch.setitem(T5Conditioner.MODELS_DIMS, "t5-base", TEXT_DIM)
    monkeypatch.chdir(tiny_checkpoints(tmp_path, "audiocraft"))
    return tmp_path
