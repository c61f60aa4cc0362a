"""The package muq on a CPU, over a tiny random checkpoint in the published layout."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SHIMS = Path(__file__).parent / "shims"

if find_spec("muq") is not None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers.utils import is_torchaudio_available, is_torchvision_available

    # remembered: transformers must not take the shims for the real ones
    is_torchaudio_available(), is_torchvision_available()
    for package in ("torchaudio", "torchvision"):
        try:  # the published ones are built for CUDA: beside torch for CPUs they do not load
            __import__(package)
        except (ImportError, OSError):
            sys.path.append(str(SHIMS))
            break


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.muq.tiny_muq import put_muq

    return put_muq(tmp_path_factory.mktemp("models"))
