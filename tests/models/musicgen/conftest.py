from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.models.musicgen.cpu.building import CannotBuild, build

#: Set where these tests run once more, on a library that a sanitizer watches.
SANITIZED_LIBRARY = os.environ.get("CONTINUO_SANITIZED_LIBRARY")


@pytest.fixture(scope="session")
def library_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of these sources, compiled once."""
    if SANITIZED_LIBRARY:
        return Path(SANITIZED_LIBRARY)
    file = tmp_path_factory.mktemp("library") / "decode_step.so"
    try:
        build(file)
    except CannotBuild as error:
        pytest.skip(f"the C++ decode step cannot be compiled here: {error}")
    return file


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
