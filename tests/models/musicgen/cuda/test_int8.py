"""Numbers in int8, and weights that are, against what they stand for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from server.models.musicgen.cuda.int8 import (
    Int8Linear,
    Stored,
    from_steps,
    in_steps,
    quantize,
)
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.references import CPU


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20))
def test_a_number_is_off_by_half_a_step_at_most(numbers: list[float]) -> None:
    exact = torch.tensor([numbers, [0.0] * len(numbers)])
    whole, steps = in_steps(exact)
    assert whole.dtype == torch.int8
    assert whole.abs().max() <= 127
    error = (from_steps(whole, steps, torch.float32) - exact).abs()
    assert (error <= 0.501 * steps[:, None]).all()
    assert not error[1].any()


def test_the_largest_number_stays_what_it_is() -> None:
    whole, steps = in_steps(torch.tensor([[3.0, -254.0, -1.0]]))
    assert whole.tolist() == [[2, -127, 0]]  # half a step goes up
    assert steps.tolist() == [2.0]


@pytest.mark.parametrize("in_int8", [False, True])
def test_what_is_stored_is_read_and_nothing_else_changes(in_int8: bool) -> None:
    stored = Stored.empty((3, 5, 2, 8), torch.float16, in_int8, CPU)
    stored[:] = torch.ones(3, 5, 2, 8)
    new, rows = torch.randn(2, 2, 8).half(), torch.tensor([4, 1])
    stored.of(1)[rows] = new
    assert stored[1, rows].dtype == torch.float16
    assert (stored[1, rows] - new).abs().max() <= (0.02 if in_int8 else 0)
    untouched = torch.ones(3, 5, dtype=torch.bool)
    untouched[1, rows] = False
    assert (stored[:][untouched] == 1).all()


def test_a_product_with_int8_is_close() -> None:
    linear, x = nn.Linear(256, 100, bias=False), torch.randn(3, 7, 256)
    expected = linear(x)
    found = Int8Linear(linear.weight.detach())(x)
    assert found.shape == expected.shape
    assert 0 < (found - expected).norm() / expected.norm() < 0.01


def test_a_quantized_model_has_no_product_in_other_formats_and_says_what_it_takes() -> None:
    model = random_model(sizes())
    whole_bytes = model.weights_bytes
    linears = [each for each in model.modules() if isinstance(each, nn.Linear)]
    products = [each for each in linears if each.bias is None]
    product_bytes = sum(each.weight.nbytes for each in products)
    outputs = sum(len(each.weight) for each in products)
    quantize(model, CPU, torch.float16)
    assert model.dtype == torch.float16
    left = [each for each in model.modules() if isinstance(each, nn.Linear)]
    assert all(each.bias is not None and each.weight.dtype == torch.float32 for each in left)
    assert sum(isinstance(each, Int8Linear) for each in model.modules()) == len(products)
    assert model.weights_bytes == whole_bytes - product_bytes * 3 // 4 + 4 * outputs
