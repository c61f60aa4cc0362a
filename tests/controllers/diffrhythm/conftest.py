from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import Live, live


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(diffrhythm_model="singing", max_batch=4) as running:
        yield running
