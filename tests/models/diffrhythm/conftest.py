from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.tiny_diffrhythm import tiny_options


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_options(folder)
    return folder
