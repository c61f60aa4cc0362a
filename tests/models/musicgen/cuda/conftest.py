from __future__ import annotations

from types import ModuleType

import pytest

NO_TRITON = "needs Triton: the extra kernels, or a torch for GPUs"


@pytest.fixture(scope="session")
def kernels() -> ModuleType:
    """Triton's kernels: on a GPU if there is one, otherwise done by Triton's interpreter."""
    pytest.importorskip("torch", reason="needs the extra musicgen")
    pytest.importorskip("triton", reason=NO_TRITON)
    from server.models.musicgen.cuda import kernels

    return kernels
