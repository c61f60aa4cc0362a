"""Each operation of the C++ against torch, or against exact integers."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from server.models.musicgen.cpu.library import Format
from server.models.musicgen.cpu.packing import DTYPES
from tests.models.musicgen.cpu.compiled import HEAD_DIM, MAX_EXAMPLES, Array, Kernels

lengths = st.integers(1, 40).map(lambda n: 64 * n)
seeds = st.integers(0, 2**32 - 1)
formats = st.sampled_from(("fp32", "bf16", "int8"))
some = settings(max_examples=MAX_EXAMPLES, deadline=None)


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@some
@given(length=lengths, seed=seeds, offset=st.floats(-30, 30))
def test_layer_norm(kernels: Kernels, length: int, seed: int, offset: float) -> None:
    x = normal(seed, length) + np.float32(offset)
    weight, bias = normal(seed + 1, length), normal(seed + 2, length)
    expected = layer_norm(torch.tensor(x), (length,), torch.tensor(weight), torch.tensor(bias))
    np.testing.assert_allclose(kernels.layer_norm(x, weight, bias), expected, rtol=0, atol=3e-5)


@some
@given(length=lengths, seed=seeds, spread=st.floats(0.01, 30))
def test_gelu(kernels: Kernels, length: int, seed: int, spread: float) -> None:
    x = normal(seed, length) * np.float32(spread)
    allowed = 4e-7 * max(1, np.abs(x).max())
    np.testing.assert_allclose(kernels.gelu(x), gelu(torch.tensor(x)), rtol=1e-6, atol=allowed)


@some
@given(num_rows=st.integers(1, 9), depth=lengths, seed=seeds, spread=st.floats(1e-6, 1e6))
def test_quantize(kernels: Kernels, num_rows: int, depth: int, seed: int, spread: float) -> None:
    x = normal(seed, num_rows, depth) * np.float32(spread)
    values, scales, sums = kernels.quantized(x)
    steps = np.abs(x).max(1) / np.float32(127)
    np.testing.assert_array_equal(scales, steps)
    np.testing.assert_array_equal(values, np.rint(x * (np.float32(1) / steps)[:, None]))
    np.testing.assert_array_equal(sums, values.sum(1, dtype=np.int32))


def test_a_row_of_zeros_stays_one(kernels: Kernels) -> None:
    values, scales, sums = kernels.quantized(np.zeros((1, 64), np.float32))
    assert not values.any()
    assert not sums.any()
    assert 0 < scales[0] < 1e-20


@some
@given(num_rows=st.integers(1, 20), blocks=st.integers(1, 4), depth=lengths, seed=seeds)
def test_a_linear_map_is_exact(
    kernels: Kernels, num_rows: int, blocks: int, depth: int, seed: int
) -> None:
    """Up to the two scales: every product and sum is one of whole numbers."""
    choose = np.random.default_rng(seed)
    weights = choose.integers(-127, 128, (64 * blocks, depth), np.int8)
    steps = choose.uniform(0.1, 1, 64 * blocks).astype(np.float32)
    x = normal(seed, num_rows, depth)
    values, scales, _ = kernels.quantized(x)
    sums = values.astype(np.int32) @ weights.T.astype(np.int32)
    expected = sums.astype(np.float32) * (steps * scales[:, None])
    found = kernels.linear(x, torch.from_numpy(weights), steps)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@some
@given(num_rows=st.integers(1, 20), blocks=st.integers(1, 3), depth=lengths, seed=seeds)
def test_a_linear_map_of_floats(
    kernels: Kernels, dtype: torch.dtype, num_rows: int, blocks: int, depth: int, seed: int
) -> None:
    """As in float64, but for the roundings of float32: products of bf16 weights are exact."""
    x, weights = normal(seed, num_rows, depth), torch.tensor(normal(seed + 1, 64 * blocks, depth))
    weights = weights.to(dtype)
    found, expected = kernels.linear(x, weights), torch.tensor(x).double() @ weights.double().T
    largest_sum = np.abs(x).sum(1).max() * float(weights.abs().max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-7 * largest_sum)


@pytest.mark.parametrize("weight", [-127, 127])
@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_the_largest_products_do_not_overflow(kernels: Kernels, weight: int, value: float) -> None:
    depth = 8192
    weights = torch.full((64, depth), weight, dtype=torch.int8)
    x = np.full((3, depth), value, np.float32)
    found = kernels.linear(x, weights, np.ones(64, np.float32))
    np.testing.assert_allclose(found, depth * weight * value, rtol=1e-6)


@some
@given(num_positions=st.integers(1, 70), number_format=formats, seed=seeds, peak=st.floats(0.1, 4))
def test_attention(
    kernels: Kernels, num_positions: int, number_format: Format, seed: int, peak: float
) -> None:
    """Causal: every position looks as soon as it is remembered."""
    queries = normal(seed, num_positions, HEAD_DIM) * np.float32(peak)
    keys = normal(seed + 1, num_positions, HEAD_DIM)
    values = normal(seed + 2, num_positions, HEAD_DIM)
    seen = [stored(each, number_format) for each in (keys, values)]
    looking = stored(queries, number_format) if number_format == "int8" else torch.tensor(queries)
    expected = scaled_dot_product_attention(
        *(each.double()[None] for each in (looking, *seen)), is_causal=True
    )
    found = kernels.attend(queries, keys, values, number_format)
    np.testing.assert_allclose(found, expected[0], rtol=0, atol=1e-5)


def test_attention_where_nothing_fits(kernels: Kernels) -> None:
    """All scores far below zero: the lanes behind the last position must not count as zero."""
    keys = np.full((3, HEAD_DIM), 5, np.float32)
    values = normal(0, 3, HEAD_DIM)
    found = kernels.attend(-5 * keys, keys, values, "fp32")
    np.testing.assert_allclose(found[-1], values.mean(0), rtol=0, atol=1e-6)


def stored(x: Array, number_format: Format) -> torch.Tensor:
    """`x` as it is after it was stored: rounded to bf16, or row by row to whole steps."""
    if number_format != "int8":
        return torch.tensor(x).to(DTYPES[number_format])
    steps = np.abs(x).max(1, keepdims=True) / np.float32(127)
    return torch.tensor(np.rint(x * (np.float32(1) / steps)) * steps)
