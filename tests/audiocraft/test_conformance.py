"""The suite that every model passes, over the package with a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("audiocraft", reason="needs the audiocraft package: make test-audiocraft")

from server.models.audiocraft import Audiocraft
from server.models.base import Model, ModelOptions
from tests.models.conformance import Conformance
from tests.models.tiny_musicgen import TINY_NAME


class TestAudiocraft(Conformance):
    @pytest.fixture
    def model(self, models_dir: Path) -> Model:
        return Audiocraft(TINY_NAME, ModelOptions(models_dir=models_dir, max_batch=2))
