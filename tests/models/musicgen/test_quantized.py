"""int8 by torch alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.musicgen.quantized import quantize
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.cpu.test_backend import random_tokens, relative_error, scores

LENGTHS = [5, None, 12]


def test_scores_are_nearly_those_in_fp32() -> None:
    config = sizes()
    tokens = random_tokens(config, 12, len(LENGTHS))
    model = random_model(config)
    quantize(model)
    found, expected = (
        scores(model, tokens, LENGTHS, 4),
        scores(random_model(config), tokens, LENGTHS, 4),
    )
    assert 1e-4 < relative_error(found, expected) < 0.03


def test_weights_take_a_quarter() -> None:
    config = sizes(4, 4)
    model = random_model(config)
    products = sum(layer.weight.numel() for layer in model.modules() if is_product(model, layer))
    others = model.weights_bytes - 4 * products
    quantize(model)
    assert model.weights_bytes == products + others


def is_product(model: torch.nn.Module, layer: torch.nn.Module) -> bool:
    return isinstance(layer, torch.nn.Linear) and layer is not model.text_projection
