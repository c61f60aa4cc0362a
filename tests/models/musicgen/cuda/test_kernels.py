"""Triton's kernels against plain torch; and that they compile for the GPUs they are for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger
from torch import Tensor, nn

from server.models.musicgen.capacity import PAGE_POSITIONS
from server.models.musicgen.cuda import plain
from server.models.musicgen.cuda.int8 import Int8Linear, Stored, quantize
from server.models.musicgen.cuda.operations import operations_for
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.cpu.test_backend import random_tokens, scores
from tests.models.musicgen.cuda.conftest import NO_TRITON
from tests.models.musicgen.cuda.recorded import recorded_model, recorded_runner
from tests.models.musicgen.engines import WINDOWED
from tests.models.musicgen.references import CPU, perform, runner

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ERRORS = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


class Layer:
    """Pages full of random keys and values, and tables that name each page once."""

    def __init__(
        self,
        num_rows: int,
        num_heads: int,
        head_dim: int,
        num_pages: int,
        dtype: torch.dtype = torch.float32,
        in_int8: bool = False,
    ) -> None:
        shape = (num_rows * num_pages + 1, num_heads, PAGE_POSITIONS, head_dim)
        self.keys, self.values = (
            Stored.empty(shape, dtype, in_int8, DEVICE) for _ in ("keys", "values")
        )
        for stored in (self.keys, self.values):
            stored[:] = torch.randn(shape, device=DEVICE)
        pages = torch.randperm(num_rows * num_pages) + 1
        self.tables = pages.view(num_rows, num_pages).to(DEVICE)
        self.dim = num_heads * head_dim

    def copies(self) -> tuple[Stored, Stored]:
        return copy_of(self.keys), copy_of(self.values)


def copy_of(stored: Stored) -> Stored:
    steps = None if stored.steps is None else stored.steps.clone()
    return Stored(stored.numbers.clone(), steps, stored.dtype)


def is_same(one: Stored, other: Stored) -> bool:
    if one.steps is None or other.steps is None:
        return one.steps is other.steps and torch.equal(one.numbers, other.numbers)
    return torch.equal(one.steps, other.steps) and torch.equal(one.numbers, other.numbers)


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, device=DEVICE).to(dtype)


@settings(max_examples=12, deadline=None)
@given(
    num_sequences=st.integers(1, 3),
    num_heads=st.integers(1, 3),
    head_dim=st.sampled_from((16, 64)),
    positions=st.lists(st.integers(0, 5 * PAGE_POSITIONS - 1), min_size=3, max_size=3),
    num_splits=st.sampled_from((1, 2, 3, 8, 16)),
    dtype=st.sampled_from(tuple(ERRORS)),
    in_int8=st.booleans(),
)
def test_looking_back(
    kernels: ModuleType,
    num_sequences: int,
    num_heads: int,
    head_dim: int,
    positions: list[int],
    num_splits: int,
    dtype: torch.dtype,
    in_int8: bool,
) -> None:
    """At every length, in any number of stretches; what is new is kept, and nothing else is."""
    torch.manual_seed(sum(positions))
    layer = Layer(2 * num_sequences, num_heads, head_dim, 5, dtype, in_int8)
    at = torch.tensor(positions[:num_sequences], device=DEVICE)
    projected = random(2 * num_sequences, 3 * layer.dim, dtype=dtype)
    keys, values = layer.copies()
    given = (projected, keys, values, layer.tables, at)
    found = kernels._attended(*given, num_splits=num_splits, remembers=True)
    expected_keys, expected_values = layer.copies()
    expected = plain.look_back(projected, expected_keys, expected_values, layer.tables, at)
    assert is_same(keys, expected_keys)
    assert is_same(values, expected_values)
    assert (found - expected).abs().max() <= ERRORS[dtype]


@pytest.mark.parametrize("position", [0, 1, 31, 32, 63, 64, 65, 96, 127, 128, 159])
def test_the_borders_of_pages_and_blocks(kernels: ModuleType, position: int) -> None:
    layer = Layer(2, 2, 64, 5)
    projected, at = random(2, 3 * layer.dim), torch.tensor([position], device=DEVICE)
    found = kernels.look_back(projected, *layer.copies(), layer.tables, at)
    expected = plain.look_back(projected, *layer.copies(), layer.tables, at)
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("num_heads", "num_splits"), [(16, 16), (24, 10), (32, 8)])
def test_a_batch_of_one_of_the_published_shapes(
    kernels: ModuleType, num_heads: int, num_splits: int
) -> None:
    """Split as it is there."""
    layer = Layer(2, num_heads, 64, 3)
    projected, at = random(2, 3 * layer.dim), torch.tensor([90], device=DEVICE)
    assert min(kernels.MAX_SPLITS, kernels.NUM_PROGRAMS // (2 * num_heads)) == num_splits
    found = kernels.look_back(projected, *layer.copies(), layer.tables, at)
    expected = plain.look_back(projected, *layer.copies(), layer.tables, at)
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("in_int8", [False, True])
@pytest.mark.parametrize("dtype", ERRORS)
def test_looking_at_texts(kernels: ModuleType, dtype: torch.dtype, in_int8: bool) -> None:
    layer = Layer(4, 2, 64, 4, dtype, in_int8)
    lengths = torch.tensor([0, 1, 40, 128], device=DEVICE)
    queries = random(4, layer.dim, dtype=dtype)
    given = (queries, layer.keys, layer.values, layer.tables, lengths)
    found, expected = kernels.look_at_texts(*given), plain.look_at_texts(*given)
    assert (found - expected).abs().max() <= ERRORS[dtype]
    assert not found[0].any()  # who has no text gets exactly nothing


@pytest.mark.parametrize("in_int8", [False, True])
def test_what_is_not_there_is_not_looked_at(kernels: ModuleType, in_int8: bool) -> None:
    layer = Layer(2, 2, 16, 3, in_int8=in_int8)
    at = torch.tensor([40], device=DEVICE)
    projected = random(2, 3 * layer.dim)
    expected = kernels.look_back(projected, *layer.copies(), layer.tables, at)
    beyond = layer.tables[:, 2]
    for stored in (layer.keys, layer.values):
        spoiled = stored.numbers if stored.steps is None else stored.steps
        spoiled[beyond] = float("nan")
    assert torch.equal(kernels.look_back(projected, *layer.copies(), layer.tables, at), expected)


#: Shares of the largest output. Triton's interpreter cannot multiply matrices of bfloat16.
PRODUCT_ERRORS = {torch.float32: 2e-6, torch.float16: 2e-3}


@pytest.mark.parametrize("dtype", PRODUCT_ERRORS)
@pytest.mark.parametrize(
    ("num_rows", "num_inputs", "num_outputs"),
    [(1, 64, 48), (2, 1024, 40), (5, 100, 333), (17, 300, 2100), (96, 256, 100), (150, 70, 33)],
)
def test_products_with_int8(
    kernels: ModuleType, num_rows: int, num_inputs: int, num_outputs: int, dtype: torch.dtype
) -> None:
    """Of every number of rows, also where nothing is a multiple of what is taken together."""
    weight = random(num_outputs, num_inputs) * torch.rand(num_outputs, 1, device=DEVICE)
    weight[0] = 0  # nothing to share a step
    linear, x = Int8Linear(weight), random(num_rows, 2 * num_inputs, dtype=dtype)[:, :num_inputs]
    found, expected = kernels.product(x, linear), plain.product(x, linear)
    assert found.dtype == dtype
    assert not found[:, 0].any()
    assert (found - expected).abs().max() <= PRODUCT_ERRORS[dtype] * expected.abs().max()


def test_other_products_are_those_of_torch(kernels: ModuleType) -> None:
    linear, x = nn.Linear(48, 70, bias=False, device=DEVICE), random(5, 48)
    assert torch.equal(kernels.product(x, linear), linear(x))


@pytest.mark.parametrize("dtype", ERRORS)
@pytest.mark.parametrize("dim", [48, 1024, 1536])
@pytest.mark.parametrize("every", [0, 1, 2])
def test_adding_and_normalizing(
    kernels: ModuleType, every: int, dim: int, dtype: torch.dtype
) -> None:
    norm = nn.LayerNorm(dim, device=DEVICE).requires_grad_(False)
    norm.weight.normal_(1, 0.2)
    norm.bias.normal_(0, 0.2)
    x, added = random(6, dim), random(6 // every, dim, dtype=dtype) if every else None
    other = x.clone()
    found = kernels.add_norm(x, added, norm, dtype)
    expected = plain.add_norm(other, added, norm, dtype)
    assert found.dtype == dtype
    assert torch.equal(x, other)
    assert (found - expected).abs().max() <= 4 * ERRORS[dtype]


@pytest.mark.skipif(DEVICE.type == "cuda", reason="the interpreter computes on a CPU")
def test_tokens_by_the_kernels_are_those_of_torch(kernels: ModuleType) -> None:
    wish = replace(WINDOWED, num_frames=14, window_frames=10, stride_frames=6)
    tokens = perform(recorded_runner("mono", num_slots=1, operations=kernels), wish)
    assert torch.equal(tokens, perform(runner("mono"), wish))


@pytest.mark.skipif(DEVICE.type == "cuda", reason="the interpreter computes on a CPU")
def test_scores_in_int8_by_the_kernels_are_those_of_torch(kernels: ModuleType) -> None:
    tokens, found = random_tokens(sizes(), 4, 2), []
    for operations in (kernels, plain):
        model = random_model(sizes())
        quantize(model, CPU, torch.float16)
        backend = recorded_model(model, operations=operations, remembers_in_int8=True)
        found.append(scores(backend, tokens, [3, None], first=2))
    assert (found[0] - found[1]).norm() < 4e-3 * found[1].norm()


def test_where_the_kernels_cannot_run_torch_computes_and_it_is_said() -> None:
    lines: list[str] = []
    listening = logger.add(lines.append, format="{message}")
    assert operations_for(CPU, 48) is plain
    assert lines == []
    assert operations_for(torch.device("cuda"), 48) is plain
    logger.remove(listening)
    assert "Steps will be slow" in lines[0]
    assert "a head has 48 numbers" in lines[0]


@pytest.mark.skipif(DEVICE.type == "cuda", reason="there is a GPU")
def test_without_a_gpu_they_are_not_taken(kernels: ModuleType) -> None:
    assert operations_for(torch.device("cuda"), 64) is plain


def test_they_compile_for_gpus_without_one() -> None:
    """For an A100 and an H100, in every number format; memory is read 16 bytes at a time."""
    pytest.importorskip("triton", reason=NO_TRITON)
    program = Path(__file__).with_name("compiling.py")
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-W", "ignore", str(program)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment)
    assert made.returncode == 0, made.stderr
    compiled = json.loads(made.stdout)
    assert {(each["name"], each["architecture"]) for each in compiled} == {
        (name, architecture)
        for name in ("_attend", "_join", "_add_norm", "_product")
        for architecture in (80, 90)
    }
    for each in compiled:
        assert each["num_bytes"] > 0
        assert each["name"] != "_attend" or each["wide_loads"] >= 2, each
        assert each["name"] != "_product" or each["wide_copies"] >= 2, each
