"""What can be said of the audiocraft package where it is not installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from server.errors import Unsupported
from server.generation import GenerationRequest, Recording
from server.models.audiocraft import Audiocraft
from server.models.base import ModelOptions, Resources, installed
from server.models.musicgen.model import MusicGen
from server.models.musicgen.variants import AUDIOCRAFT_PACKAGES, VARIANTS, info_of
from server.models.registry import ALIASES, CATALOG, Registry, catalog
from server.service.limits import resolve
from tests.live import live, until
from tests.models.tiny_musicgen import TINY_NAME

ROOT = Path(__file__).parents[2]
INSTALL = "pip install --no-deps -r requirements/audiocraft.txt"
absent = pytest.mark.skipif(
    find_spec("audiocraft") is not None, reason="the audiocraft package is installed here"
)


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    found = [line.split(";")[0].strip() for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in found), file
    return {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in (line.split("==") for line in found)
    }


def test_its_requirements_agree_with_the_project_s() -> None:
    own, constraints = pins("requirements/audiocraft.txt"), pins("constraints.txt")
    assert own["audiocraft"] == "1.3.0"
    assert {"torch", "transformers"}.isdisjoint(own)
    common = own.keys() & constraints.keys()
    assert {name: own[name] for name in common} == {name: constraints[name] for name in common}


def test_packages_that_are_missing_are_named() -> None:
    assert installed(("json", "asyncio"), "unused").available
    missing = installed(("json", "no_such_package"), "Run: it")
    assert missing.reason == "the Python packages no_such_package are not installed"
    assert missing.remedy == "Run: it"


def test_the_engine_is_chosen_for_every_musicgen_and_nothing_else() -> None:
    served = {**catalog("audiocraft", ["mine"]), "other": "tests.fakes:Ticking"}
    registry = Registry(served, ModelOptions(max_batch=4))
    for name in (*VARIANTS, *ALIASES, "mine"):
        model = registry.entry(name).model
        assert isinstance(model, Audiocraft)
        assert model.capacity == Resources(1)
    for name in CATALOG.keys() - VARIANTS.keys():
        assert not isinstance(registry.entry(name).model, Audiocraft)
    native = Registry(catalog("native", ["mine"]), ModelOptions())
    assert isinstance(native.entry("mine").model, MusicGen)
    assert catalog("native", []) == CATALOG


def test_melodies_and_continuations_are_left_to_the_native_engine() -> None:
    sound = Recording(np.zeros((1, 10), np.float32), 32_000)
    for name, variant in VARIANTS.items():
        info = Audiocraft(name, ModelOptions()).info
        assert info.abilities.isdisjoint({"melody", "continuation"})
        if variant.hears_melodies:
            assert "does not serve models that hear melodies" in info.availability.reason
            assert "ENGINE=native" in info.availability.remedy
        with pytest.raises(Unsupported, match="To have it: set ENGINE=native"):
            resolve(GenerationRequest("x", continuation=sound), info)


@absent
def test_multiband_diffusion_without_the_package_says_what_to_install() -> None:
    request = GenerationRequest("x", multiband_diffusion=True)
    with pytest.raises(Unsupported, match="has no multiband diffusion; leave it out") as caught:
        resolve(request, info_of(TINY_NAME))
    assert INSTALL in caught.value.message
    assert caught.value.field == "multiband_diffusion"


@absent
def test_the_engine_without_the_package_says_what_to_install() -> None:
    with live(ready=False, engine="audiocraft", music_model_name=TINY_NAME) as server:
        until(lambda: httpx.get(server.url + "/ready").json()["status"] == "failed")
        answer = server.post(description="x", duration=1)
        models = httpx.get(server.url + "/api/v1/models").json()["models"]
    assert answer.status_code == 503
    listed = next(model for model in models if model["name"] == TINY_NAME)
    assert not listed["available"]
    for said in (answer.json()["message"], listed["reason"] + listed["remedy"]):
        assert INSTALL in said
        assert "ENGINE=native" in said
        assert all(name in said for name in AUDIOCRAFT_PACKAGES if find_spec(name) is None)
