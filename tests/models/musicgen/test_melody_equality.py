"""Tokens equal to those of transformers' own MusicGen Melody, with random shapes and weights."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from transformers import MusicgenMelodyConfig, MusicgenMelodyForConditionalGeneration

from server.models.musicgen.checkpoint import huggingface
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.references import CPU
from tests.models.musicgen.test_transformers_equality import T5, filled

NUM_FRAMES = 24


@dataclass
class Case:
    """One random model of transformers, and the same weights in ours."""

    theirs: MusicgenMelodyForConditionalGeneration
    ours: LanguageModel
    config: LanguageModelConfig


def random_case(seed: int) -> Case:
    choose = random.Random(seed)
    channels, heads, card = choose.choice([1, 2]), choose.choice([1, 2, 3]), choose.choice([32, 64])
    dim = heads * choose.choice([16, 64])
    decoder = {
        "vocab_size": card,
        "hidden_size": dim,
        "ffn_dim": 2 * dim,
        "num_hidden_layers": choose.choice([1, 2, 3]),
        "num_attention_heads": heads,
        "num_codebooks": 4 * channels,
        "audio_channels": channels,
        **dict.fromkeys(("pad_token_id", "bos_token_id"), card),
    }
    codec = {"codebook_size": card, "num_filters": 2, "hidden_size": 8, "codebook_dim": 8}
    codec["upsampling_ratios"], codec["target_bandwidths"] = [8, 5, 4, 4], [4.0]
    config = MusicgenMelodyConfig(
        text_encoder={"model_type": "t5", **T5, "d_model": choose.choice([8, 24])},
        audio_encoder={"model_type": "encodec", "sampling_rate": 32000, **codec},
        decoder={"model_type": "musicgen_melody_decoder", **decoder},
        chroma_length=choose.choice([5, 20, 235]),
    )
    torch.manual_seed(seed)
    with torch.inference_mode(False), torch.no_grad():
        theirs = MusicgenMelodyForConditionalGeneration(config).eval()
        for name, parameter in theirs.named_parameters():
            if name.startswith(("decoder", "enc_to_dec", "audio_enc")):
                parameter.normal_(0, 0.15)
    theirs.generation_config.decoder_start_token_id = card
    sizes = huggingface.language_model_config(config)
    assert sizes.melody_frames == config.chroma_length
    return Case(theirs, filled(theirs, sizes), sizes)


def our_tokens(case: Case, states: torch.Tensor, wish: Wish, most: int) -> torch.Tensor:
    model = case.ours
    num_prefix = case.config.num_prefix(len(states))
    sequence = Sequence(wish, case.config, num_prefix)
    text = model.remember_text(states)
    memory = model.reserve(num_prefix + wish.num_positions(case.config.max_delay))
    settings = Settings.of([wish.sampling], [wish.guidance], case.config.codebook_size, CPU)
    prefix = model.prefix(sequence.melody, text)
    assert prefix.shape[1] == num_prefix
    while sequence.num_unread_prefix:
        piece = prefix[:, sequence.position : sequence.position + most]
        model.read_prefix(piece, sequence.position, memory)
        sequence.remember(piece.shape[1])
    while not sequence.finished:
        newest = sequence.window.newest[None]
        logits = model.decode_step(newest, [sequence.position], [memory], [text])
        sequence.put(draw(guide(logits, settings.guidance), settings, sequence.clocks[None])[0])
    return sequence.frames(0, NUM_FRAMES)


def their_tokens(
    case: Case, prompt: torch.Tensor, wish: Wish, features: torch.Tensor | None
) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    decode = case.theirs.audio_encoder.decode

    def remember(codes: torch.Tensor, *args: object, **options: object) -> object:
        seen.append(codes)
        return decode(codes, *args, **options)

    case.theirs.audio_encoder.decode = remember
    torch.manual_seed(wish.seed)
    greedy = wish.sampling.temperature == 0
    drawing = {} if greedy else {"top_k": wish.sampling.top_k, "temperature": 1.0}
    case.theirs.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        input_features=features,
        do_sample=not greedy,
        guidance_scale=wish.guidance,
        max_new_tokens=NUM_FRAMES + 3,
        **drawing,
    )
    by_channel = [codes[0, 0] for codes in seen]  # each [K / channels, frames]
    return torch.stack(by_channel, dim=1).flatten(0, 1)


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("greedy", [True, False], ids=["greedy", "drawn"])
@pytest.mark.parametrize("with_melody", [True, False], ids=["melody", "text-only"])
@pytest.mark.parametrize("seed", range(4))
def test_tokens_are_equal(seed: int, with_melody: bool, greedy: bool, most: int) -> None:
    case = random_case(seed)
    num_moments = case.config.melody_frames
    melody = np.random.default_rng(seed).integers(0, 12, num_moments)
    features = None
    if with_melody:
        features = torch.nn.functional.one_hot(torch.from_numpy(melody), 12)[None].float()
    prompt = torch.randint(2, 50, (1, 3 + seed))
    sampling = Sampling(temperature=0.0) if greedy else Sampling(top_k=12)
    heard = melody[None] if with_melody else None
    wish = Wish("unused", NUM_FRAMES, 1500, 900, 7, sampling, 2.0 + seed / 2, melody=heard)
    states = case.theirs.text_encoder(input_ids=prompt).last_hidden_state[0]
    expected = their_tokens(case, prompt, wish, features)
    assert len(expected.unique()) > 3
    assert torch.equal(our_tokens(case, states, wish, most), expected)


def test_the_melody_and_its_order_matter() -> None:
    case = random_case(1)
    num_moments = case.config.melody_frames
    states = torch.randn(4, case.config.text_dim)
    rising = np.resize(np.arange(12), num_moments)
    tokens = [
        our_tokens(case, states, wish, 100)
        for heard in (None, rising, rising[::-1].copy(), np.zeros_like(rising))
        for wish in [
            Wish(
                "x", NUM_FRAMES, 1500, 900, 7, Sampling(0.0), 3.0,
                melody=None if heard is None else heard[None],
            )
        ]
    ]  # fmt: skip
    assert not torch.equal(tokens[0], tokens[1])
    assert not torch.equal(tokens[1], tokens[2])
    assert torch.equal(tokens[0], tokens[3])  # C all along is what silence is
