from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.lyria.fake_google import FakeGoogle, fake_google
from tests.models.tiny_diffrhythm import tiny_options


@pytest.fixture(scope="session")
def google_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGoogle]:
    with fake_google(tmp_path_factory.mktemp("google")) as running:
        yield running


@pytest.fixture
def google(google_service: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> FakeGoogle:
    """The service without memory of earlier tests; the environment leads Google's client to it."""
    google_service.reset()
    for name, value in google_service.environment.items():
        monkeypatch.setenv(name, value)
    return google_service


@pytest.fixture(scope="session")
def tiny_songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with everything that `TinyDiffRhythm` needs; who changes it takes a copy."""
    folder = tmp_path_factory.mktemp("tiny_songs")
    tiny_options(folder)
    return folder
