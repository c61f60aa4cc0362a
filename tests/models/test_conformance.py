"""The suite over every model of the catalog, and over the fakes that other tests rely on."""

from __future__ import annotations

import pytest

from server.models.base import Model, ModelOptions
from server.models.registry import CATALOG
from server.models.sketch.model import Sketch
from tests.fakes import Ticking, Weighted
from tests.models.conformance import Conformance

TWO_SLOTS = ModelOptions(max_batch=2)


class TestSketch(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Sketch("sketch", TWO_SLOTS)


class TestTicking(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Ticking("ticking", TWO_SLOTS)


class TestWeighted(Conformance):
    @pytest.fixture
    def model(self) -> Model:
        return Weighted("weighted", TWO_SLOTS)


def test_no_model_of_the_catalog_is_left_out() -> None:
    assert {f"{Sketch.__module__}:{Sketch.__qualname__}"} == set(CATALOG.values())
