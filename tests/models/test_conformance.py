"""The suite over every model of the catalog, and over the fakes that other tests rely on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.generation import GenerationRequest
from server.models.base import Model, ModelOptions
from server.models.diffrhythm.model import DiffRhythm
from server.models.lyria.realtime import LyriaRealtime
from server.models.lyria.songs import LyriaSong
from server.models.musicgen.model import MusicGen
from server.models.registry import CATALOG
from server.models.sketch.model import Sketch
from tests.fakes import Singing, Ticking, Weighted
from tests.models.conformance import Conformance
from tests.models.lyria.fake_google import FakeGoogle, sings
from tests.models.lyria.models import upstream
from tests.models.tiny_diffrhythm import TinyDiffRhythm, tiny_options
from tests.models.tiny_musicgen import TINY_NAME, tiny_checkpoints

TWO_SLOTS = ModelOptions(max_batch=2)


class TestSketch(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Sketch("sketch", TWO_SLOTS)


class TestMusicGen(Conformance):
    @pytest.fixture
    def model(self, tmp_path: Path) -> Model:
        pytest.importorskip("torch", reason="needs the extra musicgen")
        pytest.importorskip("transformers", reason="needs the extra musicgen")
        return MusicGen(TINY_NAME, replace(TWO_SLOTS, models_dir=tiny_checkpoints(tmp_path)))


class TestLyriaRealtime(Conformance):
    @pytest.fixture
    def model(self, google: FakeGoogle) -> Model:
        return LyriaRealtime("lyria-realtime", replace(TWO_SLOTS, upstream=upstream("one", "two")))


class TestLyriaSong(Conformance):
    seed_is_heard = False

    @pytest.fixture
    def model(self, google: FakeGoogle) -> Model:
        google.songs["one"] = google.songs["two"] = sings(seconds=14)
        return LyriaSong("lyria-3.5", replace(TWO_SLOTS, upstream=upstream("one", "two")))


class TestDiffRhythm(Conformance):
    """Songs of up to two minutes, without guidance: with it, a step of the longest takes seconds on
    a small machine."""

    @pytest.fixture
    def model(self, request: pytest.FixtureRequest) -> Model:
        for package in ("torch", "phonemizer", "huggingface_hub"):
            pytest.importorskip(package, reason="needs the extras musicgen and phonemes")
        folder = request.getfixturevalue("tiny_songs")
        model = TinyDiffRhythm("diffrhythm", tiny_options(folder, max_batch=2))
        model.info = replace(model.info, max_duration_seconds=120)
        return model

    @pytest.fixture
    def request_(self, model: Model) -> GenerationRequest:
        return GenerationRequest(
            "a test", model.info.name, 96, seed=11, lyrics="hello\nworld", guidance=0.0
        )


class TestTicking(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Ticking("ticking", TWO_SLOTS)


class TestSinging(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Singing("singing", TWO_SLOTS)

    @pytest.fixture
    def request_(self, model: Model) -> GenerationRequest:
        lines = "[verse]\nPaper lanterns on the water\n"
        return GenerationRequest("folk", model.info.name, 95, seed=11, lyrics=lines)


class TestWeighted(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Weighted("weighted", TWO_SLOTS)


MODELS = (Sketch, MusicGen, DiffRhythm, LyriaRealtime, LyriaSong)


def test_no_model_of_the_catalog_is_left_out() -> None:
    tested = {f"{model.__module__}:{model.__qualname__}" for model in MODELS}
    assert tested == set(CATALOG.values())
