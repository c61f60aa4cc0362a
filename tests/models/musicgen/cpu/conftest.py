from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.models.musicgen.cpu.library import INSTRUCTION_SETS

if TYPE_CHECKING:
    from tests.models.musicgen.cpu.compiled import Kernels


@pytest.fixture(scope="session", params=INSTRUCTION_SETS)
def kernels(library_file: Path, request: pytest.FixtureRequest) -> Kernels:
    """Those of each instruction set in turn."""
    from tests.models.musicgen.cpu.compiled import Kernels

    return Kernels(library_file, request.param)
