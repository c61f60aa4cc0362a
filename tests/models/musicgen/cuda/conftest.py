from __future__ import annotations

import os
from types import ModuleType

import pytest

REASON = "needs Triton, which comes with torch for GPUs and with the extra test on x86-64 Linux"


@pytest.fixture(scope="session")
def kernels() -> ModuleType:
    """Triton's kernels: on a GPU if there is one, otherwise done by Triton's interpreter."""
    torch = pytest.importorskip("torch", reason="needs the extra musicgen")
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"  # read when a kernel is declared
    pytest.importorskip("triton", reason=REASON)
    from server.models.musicgen.cuda import kernels

    return kernels
