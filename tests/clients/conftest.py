"""What the tests of the clients share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.both_clients import AiohttpCaller, Caller, RequestsCaller


@pytest.fixture(params=[RequestsCaller, AiohttpCaller], ids=["requests", "aiohttp"])
def caller(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Caller:
    """Each of the two clients, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    made: Caller = request.param()
    return made
