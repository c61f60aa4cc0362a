from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controllers.lyria.calls import UNLIMITED
from tests.live import Live, live


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """The dialect over `ticking`, which makes 8 kHz stereo and knows only `bpm`."""
    with live(lyria_model="ticking", **UNLIMITED) as running:
        yield running


@pytest.fixture(scope="module")
def sketch() -> Iterator[Live]:
    with live(lyria_model="sketch", music_model_name="sketch", **UNLIMITED) as running:
        yield running
