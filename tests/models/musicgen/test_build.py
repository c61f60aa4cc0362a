"""Which backend computes a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from loguru import logger

from server.models.musicgen import build
from server.models.musicgen.build import backend_for
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cpu.backend import CompiledModel
from server.models.musicgen.cpu.library import CannotRun, Library
from server.models.musicgen.devices import Precision
from server.models.musicgen.quantized import QuantizedLinear
from server.models.musicgen.transformer import LanguageModel
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.references import CPU

NARROW_HEADS = LanguageModelConfig(64, 2, 1, 128, 4, 64, 24, (0, 1, 2, 3))


@pytest.fixture
def compiled(library_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The C++ decode step is there, whether it was installed or not."""
    monkeypatch.setattr(build, "installed", lambda: Library(library_file))


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed() -> Library:
        raise CannotRun("it was not built")

    monkeypatch.setattr(build, "installed", installed)


@pytest.fixture
def logged() -> Callable[[], str]:
    lines: list[str] = []
    logger.add(lines.append, format="{message}")
    return lambda: "".join(lines)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_compiled_step_is_taken(precision: Precision) -> None:
    model = random_model(sizes())
    backend = backend_for(model, CPU, precision)
    assert isinstance(backend, CompiledModel)
    per_value = {"fp32": 4, "bf16": 2, "int8": 1 + 4 / 64}[precision]
    assert backend.bytes_per_position == per_value * 4 * model.config.num_layers * model.config.dim


@pytest.mark.usefixtures("compiled")
def test_fp16_is_torchs() -> None:
    backend = backend_for(random_model(sizes()), CPU, "fp16")
    assert isinstance(backend, LanguageModel)
    assert backend.dtype == torch.float16


@pytest.mark.usefixtures("not_compiled")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_a_compiler_torch_computes(precision: Precision, logged: Callable[[], str]) -> None:
    backend = backend_for(random_model(sizes()), CPU, precision)
    assert isinstance(backend, LanguageModel)
    assert backend.heads.weight.dtype == backend.dtype == build.DTYPES[precision]
    assert logged() == "The C++ decode step is not used: it was not built\n"


@pytest.mark.usefixtures("not_compiled")
def test_without_a_compiler_torch_computes_int8() -> None:
    backend = backend_for(random_model(sizes()), CPU, "int8")
    assert isinstance(backend.heads, QuantizedLinear)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_sizes_that_the_compiled_step_is_not_made_for(
    precision: Precision, logged: Callable[[], str]
) -> None:
    """Torch gets the model whole: nothing of it was given up before it was refused."""
    backend = backend_for(random_model(NARROW_HEADS), CPU, precision)
    assert isinstance(backend, LanguageModel)
    tokens, memory = torch.zeros(1, 4, dtype=torch.int64), backend.reserve(1)
    assert backend.decode_step(tokens, [0], [memory], [None]).isfinite().all()
    assert "heads of 64, and these have 32" in logged()
