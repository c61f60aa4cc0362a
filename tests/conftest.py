from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from server.models.memory import may_have_gpu
from tests.live import Live, live
from tests.postgres import Postgres, postgres
from tests.soak import SOAK

# Without a GPU Triton interprets its kernels. It looks at this when it is first imported, which
# many libraries do.
if not may_have_gpu("auto"):
    os.environ["TRITON_INTERPRET"] = "1"

# How long an example takes is the machine's affair.
settings.register_profile("continuo", deadline=None, max_examples=500 if SOAK else 40)
settings.load_profile("continuo")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """One PostgreSQL for all tests; each takes a database of its own."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """One server for a module's tests, with the published behaviour: one at a time."""
    with live() as running:
        yield running
