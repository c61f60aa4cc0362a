from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.lyria.fake_google import FakeGoogle, fake_google


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
