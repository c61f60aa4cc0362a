"""The codec against the reference, and streamed against whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from transformers import EncodecConfig, EncodecModel

from server.models.musicgen.codec.model import Codec
from tests.models.musicgen.references import (
    CPU,
    LAYOUTS,
    VARIANTS,
    WAVE,
    arrays,
    checkpoint,
    loaded,
    tensor,
)

#: The carried state is exact: in float64 nothing but rounding is left. In float32 the rounding of
#: sums in another order is; the reference itself is 8e-7 from its float64 (the fixtures' README).
STREAMED = {torch.float64: 1e-12, torch.float32: 1e-6}
CHUNKS = [[1], [2, 3], [4], [8, 5, 6, 8, 10, 12], [50], [1, 17, 1, 3]]


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_decodes_as_the_reference(variant: str, layout: str, placed: bool) -> None:
    made = loaded(variant, layout)
    codec = with_pad_mode(made.codec, made.codec.config.pad_mode)
    if placed:
        codec.place(CPU, torch.float32)
    names = [name for name in arrays(variant) if name.startswith("decode_codes_")]
    assert len(names) == 3
    for name in names:
        sound = codec.decode(tensor(variant, name), made.config.channels)
        expected = tensor(variant, name.replace("codes", "wav"))
        assert torch.allclose(sound, expected, rtol=0, atol=WAVE)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_encodes_as_the_reference(variant: str, layout: str) -> None:
    codes = checkpoint(variant, layout).codec.encode(tensor(variant, "encode_wav"))
    assert torch.equal(codes, tensor(variant, "encode_codes"))


def with_pad_mode(codec: Codec, pad_mode: str) -> Codec:
    other = Codec(replace(codec.config, pad_mode=pad_mode))
    other.load_state_dict(codec.state_dict())
    return other


@pytest.mark.parametrize("dtype", STREAMED, ids=str)
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_streamed_is_whole(
    variant: str, pad_mode: str, chunks: list[int], dtype: torch.dtype
) -> None:
    made = loaded(variant)
    codec, channels = with_pad_mode(made.codec, pad_mode), made.config.channels
    codec.place(CPU, dtype)
    random = torch.Generator().manual_seed(3)
    for num_frames in (1, 2, 3, 4, 5, 9, 60):
        num_codebooks = channels * codec.config.num_codebooks
        codes = torch.randint(64, (num_codebooks, num_frames), generator=random)
        whole = codec.decode(codes, channels)
        assert whole.shape == (channels, num_frames * codec.config.hop_samples)
        stream, pieces, done = codec.stream(channels), [], 0
        while done < num_frames:
            step = chunks[len(pieces) % len(chunks)]
            last = done + step >= num_frames
            pieces.append(stream.push(codes[:, done : done + step], last))
            done += step
        assert_streamed_is_whole(torch.cat(pieces, -1), whole)


def assert_streamed_is_whole(streamed: torch.Tensor, whole: torch.Tensor) -> None:
    loudest = max(1.0, whole.abs().max().item())  # random weights exceed full scale
    assert torch.allclose(streamed, whole, rtol=0, atol=STREAMED[whole.dtype] * loudest)


@pytest.mark.parametrize("variant", VARIANTS)
def test_sounds_decoded_together_are_as_each_alone(variant: str) -> None:
    """Begun at different times, joined and parted as their forms allow."""
    made = checkpoint(variant)
    codec, channels = made.codec, made.config.channels
    random = torch.Generator().manual_seed(4)
    num_codebooks = channels * codec.config.num_codebooks
    codes = [torch.randint(64, (num_codebooks, n), generator=random) for n in (30, 41, 30)]
    streams = [codec.stream(channels) for _ in codes]
    pieces: list[list[torch.Tensor]] = [[] for _ in codes]
    pieces[1] += [streams[1].push(codes[1][:, :11], False)]
    left = [codes[0], codes[1][:, 11:], codes[2]]
    assert streams[0].form == streams[2].form != streams[1].form
    for group, start, stop in (
        ((0, 2), 0, 6), ((1,), 0, 6), ((0, 1, 2), 6, 20), ((2, 1), 20, 30), ((0,), 20, 30),
    ):  # fmt: skip
        assert len({streams[index].form for index in group}) == 1
        now = [left[index][:, start:stop] for index in group]
        sounds = codec.push([streams[index] for index in group], now, stop == 30)
        for index, sound in zip(group, sounds, strict=True):
            pieces[index].append(sound)
    for known, parts in zip(codes, pieces, strict=True):
        assert_streamed_is_whole(torch.cat(parts, -1), codec.decode(known, channels))


def tensors_in(state: object) -> list[torch.Tensor]:
    if isinstance(state, tuple):
        return [tensor for part in state for tensor in tensors_in(part)]
    return [state] if isinstance(state, torch.Tensor) else []


def test_what_a_sound_carries_on_is_small_however_long_the_piece_was() -> None:
    codec = checkpoint("mono").codec
    held = []
    for num_frames in (10, 100):
        stream = codec.stream(1)
        stream.push(torch.zeros(4, num_frames, dtype=torch.int64), False)
        held.append(sum(each.untyped_storage().nbytes() for each in tensors_in(stream.state)))
    assert held[0] == held[1]


def test_the_sound_stays_as_far_behind_as_the_decoder_looks_ahead() -> None:
    codec = checkpoint("mono").codec
    stream = codec.stream(1)
    codes = torch.zeros(4, 50, dtype=torch.int64)
    made = sum(stream.push(codes[:, at : at + 1], False).shape[1] for at in range(50))
    assert made == 50 * 640 - 2402
    assert stream.push(codes[:, :0], True).shape[1] == 2402


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize("changes", [{}, {"use_conv_shortcut": True}, {"num_residual_layers": 2}])
def test_it_is_transformers_codec(pad_mode: str, changes: dict[str, object]) -> None:
    """With random weights, in shapes that no fixture has."""
    from server.models.checkpoints.tensors import StoredTensors
    from server.models.musicgen.checkpoint import huggingface

    torch.manual_seed(5)
    sizes = {"num_filters": 4, "hidden_size": 12, "codebook_dim": 12, "codebook_size": 32}
    fixed = {"sampling_rate": 32000, "use_causal_conv": False, "upsampling_ratios": [8, 5, 4, 4]}
    config = EncodecConfig(
        **{**sizes, **fixed, "target_bandwidths": [1.0], "pad_mode": pad_mode},
        **{"use_conv_shortcut": False, **changes},
    )
    with torch.inference_mode(False), torch.no_grad():
        theirs = EncodecModel(config).eval()
        for layer in theirs.quantizer.layers:
            layer.codebook.embed.normal_()
    num_codebooks = len(theirs.quantizer.layers)
    with torch.device("meta"):
        ours = Codec(huggingface.codec_config(config, num_codebooks))
    stored = StoredTensors("in memory", theirs.state_dict())
    stored.fill(ours, huggingface.codec_names_in("", num_codebooks))
    stored.check_all_used(huggingface.UNUSED)
    codes = torch.randint(32, (num_codebooks, 23))
    expected = theirs.decode(codes[None, None], [None]).audio_values[0]
    assert torch.allclose(ours.decode(codes, 1), expected, rtol=0, atol=WAVE)
    sound = torch.randn(1, 5000)
    encoded = theirs.encode(sound[None], bandwidth=1.0).audio_codes[0, 0]
    assert torch.equal(ours.encode(sound), encoded)
