"""MusicGen's decode step as others make it: one request with guidance, which is two rows.

Each function gives what makes the next step of a request that stands at `position`, and goes on
from there; what is remembered of the positions before is noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from benchmarks.race import Step
from benchmarks.random_musicgen import CARD, SHAPES
from benchmarks.standing import NUM_TEXT_TOKENS

ROWS = 2
CPU = torch.device("cpu")
StepAt = Callable[..., Step]
M = TypeVar("M", bound=nn.Module)


def transformers_step(shape: Any, dtype: torch.dtype, device: torch.device = CPU) -> StepAt:
    """As `generate` steps, with a cache that grows; `shape` is a configuration of transformers.

    `num_requests` may stand at the position.
    """
    from transformers import DynamicCache, EncoderDecoderCache, MusicgenForCausalLM

    config = shape.decoder
    with device:
        model = filled(dtype, lambda: MusicgenForCausalLM(config)).to(dtype).eval()
    on_device: dict[str, Any] = {"device": device, "dtype": dtype}
    head_dim = config.hidden_size // config.num_attention_heads

    def step_at(position: int, num_requests: int = 1) -> Step:
        rows = ROWS * num_requests
        tokens = torch.randint(config.vocab_size, (rows * config.num_codebooks, 1), device=device)
        states = torch.randn(rows, NUM_TEXT_TOKENS, config.hidden_size, **on_device)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        remembered = (rows, config.num_attention_heads, position, head_dim)
        for layer in range(config.num_hidden_layers if position else 0):
            keys, values = torch.randn(2, *remembered, **on_device)
            cache.self_attention_cache.update(keys, values, layer)
        return lambda index: model(
            input_ids=tokens, encoder_hidden_states=states, past_key_values=cache, use_cache=True
        )

    return step_at


def filled(dtype: torch.dtype, make: Callable[[], M]) -> M:
    """What `make` makes, its weights in `dtype` from the first: the large ones fit no other way."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        return make()
    finally:
        torch.set_default_dtype(usual)


def audiocraft_step(size: str) -> StepAt:
    """As audiocraft's `LMModel` steps in fp32, streaming, with what the published models set."""
    model = audiocraft_model(size)
    num_codebooks, dim = model.n_q, model.dim
    states = torch.randn(ROWS, NUM_TEXT_TOKENS, dim)
    conditions = {"description": (states, torch.ones(ROWS, NUM_TEXT_TOKENS))}
    tokens = torch.randint(CARD, (ROWS, num_codebooks, 1))
    model.streaming().__enter__()  # for as long as this process lives

    def step_at(position: int) -> Step:
        model.reset_streaming()
        if position:
            columns = torch.randint(CARD, (ROWS, num_codebooks, position))
            model(columns, conditions=[], condition_tensors=conditions)
        return lambda index: model(tokens, conditions=[], condition_tensors=conditions)

    return step_at


def audiocraft_model(size: str) -> Any:
    from audiocraft.models.lm import LMModel
    from audiocraft.modules.codebooks_patterns import DelayedPatternProvider
    from audiocraft.modules.conditioners import ConditionFuser, ConditioningProvider

    dim, num_layers, num_heads, num_codebooks = SHAPES[size]
    return LMModel(
        DelayedPatternProvider(num_codebooks),
        ConditioningProvider({}),
        ConditionFuser({"cross": ["description"], "prepend": []}),
        n_q=num_codebooks,
        card=CARD,
        dim=dim,
        num_heads=num_heads,
        num_layers=num_layers,
        norm_first=True,
        causal=True,
        cross_attention=True,
        memory_efficient=True,
        activation="gelu",
        dropout=0.0,
        **dict.fromkeys(("bias_proj", "bias_ff", "bias_attn"), False),
    ).eval()
