"""Tokens equal to those of transformers' own MusicGen, with random shapes and weights."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from transformers import MusicgenConfig, MusicgenForConditionalGeneration

from server.models.checkpoints.tensors import StoredTensors
from server.models.musicgen.checkpoint import huggingface
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.references import CPU

NUM_FRAMES = 24
T5 = {"vocab_size": 50, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}


@dataclass
class Case:
    """One random model of transformers, and the same weights in ours."""

    theirs: MusicgenForConditionalGeneration
    ours: LanguageModel
    config: LanguageModelConfig


def random_case(seed: int) -> Case:
    choose = random.Random(seed)
    channels = choose.choice([1, 2])
    heads, head_dim = choose.choice([1, 2, 3]), choose.choice([16, 64])
    card = choose.choice([32, 64, 128])
    dim = heads * head_dim
    decoder = {
        "vocab_size": card,
        "hidden_size": dim,
        "ffn_dim": dim * choose.choice([1, 2, 4]),
        "num_hidden_layers": choose.choice([1, 2, 3]),
        "num_attention_heads": heads,
        "num_codebooks": 4 * channels,
        "audio_channels": channels,
        **dict.fromkeys(("pad_token_id", "bos_token_id"), card),
    }
    codec = {"codebook_size": card, "num_filters": 2, "hidden_size": 8, "codebook_dim": 8}
    codec["upsampling_ratios"], codec["target_bandwidths"] = [8, 5, 4, 4], [4.0]
    config = MusicgenConfig(
        text_encoder={"model_type": "t5", **T5, "d_model": choose.choice([16, 24])},
        audio_encoder={"model_type": "encodec", "sampling_rate": 32000, **codec},
        decoder={"model_type": "musicgen_decoder", **decoder},
    )
    torch.manual_seed(seed)
    with torch.inference_mode(False), torch.no_grad():
        theirs = MusicgenForConditionalGeneration(config).eval()
        for parameter in theirs.decoder.parameters():
            parameter.normal_(0, 0.15)
    theirs.generation_config.decoder_start_token_id = card
    sizes = huggingface.language_model_config(config)
    return Case(theirs, filled(theirs, sizes), sizes)


def filled(theirs: MusicgenForConditionalGeneration, sizes: LanguageModelConfig) -> LanguageModel:
    with torch.device("meta"):
        ours = LanguageModel(sizes)
    by_codebook = huggingface.language_model_parts(sizes.num_codebooks)
    StoredTensors("in memory", theirs.state_dict()).fill(
        ours, lambda name: by_codebook.get(name) or huggingface.language_model_names(name)
    )
    return ours


def our_tokens(case: Case, states: torch.Tensor, wish: Wish) -> torch.Tensor:
    model, sequence = case.ours, Sequence(wish, case.config)
    text = model.remember_text(states)
    memory = model.reserve(wish.num_positions(case.config.max_delay))
    settings = Settings.of([wish.sampling], [wish.guidance], case.config.codebook_size, CPU)
    while not sequence.finished:
        newest = sequence.window.newest[None]
        logits = model.decode_step(newest, [sequence.position], [memory], [text])
        guided = guide(logits, settings.guidance)
        sequence.put(draw(guided, settings, sequence.clocks[None])[0])
    return sequence.frames(0, NUM_FRAMES)


def their_tokens(case: Case, prompt: torch.Tensor, wish: Wish) -> torch.Tensor:
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
        do_sample=not greedy,
        guidance_scale=wish.guidance,
        max_new_tokens=NUM_FRAMES + 3,
        **drawing,
    )
    by_channel = [codes[0, 0] for codes in seen]  # each [K / channels, frames]
    return torch.stack(by_channel, dim=1).flatten(0, 1)


@pytest.mark.parametrize("greedy", [True, False], ids=["greedy", "drawn"])
@pytest.mark.parametrize("seed", range(6))
def test_tokens_are_equal(seed: int, greedy: bool) -> None:
    case = random_case(seed)
    prompt = torch.randint(2, 50, (1, 3 + seed))
    sampling = Sampling(temperature=0.0) if greedy else Sampling(top_k=12)
    wish = Wish("unused", NUM_FRAMES, 1500, 900, 7 + seed, sampling, 2.0 + seed / 2)
    states = case.theirs.text_encoder(input_ids=prompt).last_hidden_state[0]
    expected = their_tokens(case, prompt, wish)
    assert expected.shape == (case.config.num_codebooks, NUM_FRAMES)
    assert len(expected.unique()) > 3
    assert torch.equal(our_tokens(case, states, wish), expected)
