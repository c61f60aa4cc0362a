from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="needs the extra musicgen")
    with torch.inference_mode():
        yield
