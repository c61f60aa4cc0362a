"""Tokens exactly equal to the reference's: greedy, drawn, continued, over windows, both layouts."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.models.musicgen.sampling import guide
from tests.models.musicgen.references import (
    CPU,
    GUIDED,
    LAYOUTS,
    LOGITS,
    TEXT,
    VARIANTS,
    arrays,
    checkpoint,
    described,
    generated,
    perform,
    runner,
    tensor,
    wish_for,
)

GENERATED = [(variant, name) for variant in VARIANTS for name in generated(variant)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("variant", "name"), GENERATED)
def test_tokens_are_the_references(variant: str, name: str, layout: str) -> None:
    wish = wish_for(variant, name)
    tokens = perform(runner(variant, layout), wish)
    assert torch.equal(tokens, tensor(variant, name))


@pytest.mark.parametrize("most_columns", [1, 2, 5])
def test_reading_ahead_in_pieces_is_reading_at_once(most_columns: int) -> None:
    names = [(v, n) for v, n in GENERATED if "continue" in n or "window" in n]
    assert len(names) >= 4
    for variant, name in names:
        tokens = perform(runner(variant), wish_for(variant, name), most_columns)
        assert torch.equal(tokens, tensor(variant, name))


def test_the_references_cover_every_way_of_drawing() -> None:
    wishes = [wish_for("mono", name) for name in generated("mono")]
    assert {wish.sampling.temperature for wish in wishes} >= {0.0, 1.0}
    assert any(wish.sampling.top_p for wish in wishes)
    assert any(wish.opening is not None for wish in wishes)
    assert any(len(list(wish.windows())) > 1 for wish in wishes)
    assert any(not wish.prompt for wish in wishes)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("layout", LAYOUTS)
class TestText:
    def test_tokens(self, variant: str, layout: str) -> None:
        encoder = checkpoint(variant, layout).text_encoder
        cases = described(variant)["tokenizer_cases"]
        assert len(cases) > 5
        for case in cases:
            assert encoder.tokens(case["text"]) == case["input_ids"]

    def test_states(self, variant: str, layout: str) -> None:
        encoder = checkpoint(variant, layout).text_encoder
        known, mask = arrays(variant)["t5_hidden"], arrays(variant)["text_mask"]
        for row, prompt in enumerate(described(variant)["prompts"]):
            states = encoder.encode(prompt)
            if not prompt:
                assert states is None
                assert not mask[row].any()
                continue
            expected = torch.from_numpy(known[row][mask[row] == 1])
            assert torch.allclose(states, expected, rtol=0, atol=TEXT)

    def test_condition(self, variant: str, layout: str) -> None:
        made = checkpoint(variant, layout)
        states = made.text_encoder.encode(described(variant)["prompts"][1])
        condition = made.language_model.text_projection(states)
        expected = tensor(variant, "condition_p1_alone")
        assert torch.allclose(condition, expected, rtol=0, atol=TEXT)


@pytest.mark.parametrize("stepwise", [False, True], ids=["at-once", "stepwise"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits(variant: str, layout: str, stepwise: bool) -> None:
    logits = all_logits(variant, layout, stepwise)  # [2, K, S, card]
    for row, name in enumerate(("logits_cond", "logits_uncond")):
        assert torch.allclose(logits[row], tensor(variant, name), rtol=0, atol=LOGITS)
    guided = guide(logits[None], 3.0)[0]
    assert torch.allclose(guided, tensor(variant, "logits_cfg"), rtol=0, atol=GUIDED)


def all_logits(variant: str, layout: str, stepwise: bool) -> torch.Tensor:
    made = checkpoint(variant, layout)
    model, tokens = made.language_model, tensor(variant, "logits_tokens")
    text = model.remember_text(made.text_encoder.encode(described(variant)["prompts"][0]))
    memory = model.reserve(tokens.shape[1])
    if not stepwise:
        return model.logits(model.states(tokens[None], [0], [memory], [text])).transpose(1, 2)
    logits = [
        model.decode_step(column[None], [position], [memory], [text])[0]
        for position, column in enumerate(tokens.unbind(1))
    ]
    return torch.stack(logits, dim=2)


def test_prompts_are_encoded_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from server.models.musicgen import text_encoder

    monkeypatch.setattr(text_encoder, "MAX_CACHED_TOKENS", 20)
    encoder = text_encoder.TextEncoder(
        checkpoint("mono").text_encoder.model, checkpoint("mono").text_encoder._tokenizer
    )
    first = encoder.encode("slow")
    assert encoder.encode("slow") is first
    for number in range(20):
        encoder.encode(f"rock {number}")
    again = encoder.encode("slow")
    assert again is not first
    assert torch.equal(again, first)
    assert encoder._num_known_tokens <= 20


@pytest.mark.parametrize("prompt", ["\x00", "\ud800", "♫🎸" * 50, "\x07\x1b[31m", " ", "\n" * 9])
def test_any_text_can_be_encoded(prompt: str) -> None:
    states = checkpoint("mono").text_encoder.encode(prompt)
    assert torch.isfinite(states).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_keeps_the_residual_stream_in_full(dtype: torch.dtype) -> None:
    """Its logits are near the reference's; tokens may differ after some steps."""
    from server.models.musicgen.checkpoint.loading import load
    from tests.models.musicgen.references import folder, t5_of

    made = load(folder("mono", "huggingface"), t5_of("mono"))
    model, tokens = made.language_model, tensor("mono", "logits_tokens")
    model.place(CPU, dtype)
    text = model.remember_text(made.text_encoder.encode(described("mono")["prompts"][0]))
    states = model.states(tokens[None], [0], [model.reserve(tokens.shape[1])], [text])
    assert (states.dtype, text.keys.dtype, model.dtype) == (torch.float32, dtype, dtype)
    assert model.norm.weight.dtype == torch.float32
    difference = (model.logits(states)[0].transpose(0, 1) - tensor("mono", "logits_cond")).abs()
    assert 0 < difference.max() < 0.15  # of scores whose deviation is 2
