from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.service.generation import GenerationService
from tests.fakes import GIGABYTE, Heavy
from tests.service.test_service import make_service


@pytest.fixture
async def service() -> AsyncIterator[GenerationService]:
    """Models may hold 8 GB together; `ticking`, the default, holds none."""
    Heavy.forget()
    service = await make_service(model_memory_budget="8GB")
    yield service
    await service.close()
    assert not Heavy.held
    assert not Heavy.faults
    assert Heavy.most_held_bytes <= 8 * GIGABYTE
