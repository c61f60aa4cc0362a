from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import Live, live


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """One server for a module's tests, with the published behaviour: one at a time."""
    with live() as running:
        yield running
