"""Our numbers are those of the published implementation, within the fixtures' tolerances."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

import numpy as np

from server.models.diffrhythm import vae
from server.models.diffrhythm.editing import HEARD_PEAK, frames_made_anew
from server.models.diffrhythm.frames import num_frames
from server.models.diffrhythm.sampler import Song, noise, sample
from tests.models.diffrhythm import references
from tests.models.diffrhythm.references import (
    described,
    largest_difference,
    reference_audio,
    song_of,
    tensor,
    transformer,
)
from tests.soak import LONG

CASES = described()["cfm_cases"]
#: A second item of a batch, and fp16 on a CPU, take longest.
QUICK = [name for name in CASES if ".fp32." in name and name.endswith("cfg4.b1")]
SLOW = [pytest.param(name, marks=LONG) for name in CASES if name not in QUICK]
WHOLE = 10**9


def last(steps: Iterator[torch.Tensor]) -> torch.Tensor:
    *_, result = steps
    return result


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_a_song_is_sampled_as_published(name: str) -> None:
    case = CASES[name]
    model, song = transformer(case["model"], case["dtype"]), song_of(case)
    starts = tensor(case["noise"])[: case["batch"]]
    taken = [sample(model, song, start, case["cfg_strength"], case["steps"]) for start in starts]
    made, wanted = torch.stack([last(steps) for steps in taken]), tensor(name)
    if case["dtype"] == "fp32":
        assert largest_difference(made, wanted) <= 5e-5
        return
    assert largest_difference(made, wanted) <= 0.15
    difference = (made.float() - wanted.float()).square().mean().sqrt()
    assert difference / wanted.float().square().mean().sqrt() < 0.01


@pytest.mark.parametrize("name", ["base", "full"])
def test_a_single_step_is_as_published(name: str) -> None:
    """Both rows of one forward at t = 0.5."""
    case = CASES[f"{name}.edit.fp32.cfg4.b1"]
    model, song = transformer(name), song_of(case)
    reference = tensor(f"{name}.edit.step_cond").float()
    with torch.inference_mode():
        conditions = model.embed(
            torch.stack([song.tokens, torch.zeros_like(song.tokens)]),
            torch.cat([reference, torch.zeros_like(reference)]),
            torch.stack([song.style, song.negative_style]).float(),
            torch.full((2,), song.duration),
        )
        noisy = tensor(f"{name}.noise.fp32")[:1].expand(2, -1, -1)
        made = model(noisy, torch.tensor(0.5), conditions)
    wanted = torch.cat([tensor(f"{name}.forward.cond"), tensor(f"{name}.forward.null")])
    assert largest_difference(made, wanted) <= 5e-5


def test_noise_is_of_the_seed() -> None:
    generator = torch.Generator().manual_seed(1_101_020)
    drawn = torch.stack([noise(128, generator), noise(128, generator)])
    assert torch.equal(drawn, tensor("base.noise.fp32"))


@pytest.mark.parametrize("frames", [1, 64, 128, 129, 224])
@pytest.mark.parametrize(("form", "chunk_frames"), [("whole", WHOLE), ("chunked", 128)])
def test_sound_is_decoded_as_published(frames: int, form: str, chunk_frames: int) -> None:
    latent = tensor("vae.latent")[0].float().T[:frames]
    plan = vae.chunks(frames, chunk_frames)
    made = torch.cat(list(vae.decode(references.vae(), latent, plan)), dim=1)
    assert made.shape == (2, 2048 * frames)
    name = f"vae.decode.T{frames}.{form}"
    assert largest_difference(made[:, ::509], tensor(f"{name}.every509")) <= 2e-5
    sums = made.abs().double().unflatten(1, (frames, 2048)).sum(-1)
    torch.testing.assert_close(sums, tensor(f"{name}.frame_abs"), rtol=1e-5, atol=0)


@pytest.mark.parametrize("frames", [128, 160, 200])
@pytest.mark.parametrize(("form", "chunk_frames"), [("whole", WHOLE), ("chunked", 128)])
def test_sound_is_encoded_as_published(frames: int, form: str, chunk_frames: int) -> None:
    plan = vae.chunks(frames, chunk_frames)
    made = torch.cat(list(vae.encode(references.vae(), reference_audio(frames), plan)), dim=1)
    assert largest_difference(made, tensor(f"vae.encode.T{frames}.{form}")[0]) <= 2e-5


def test_sound_shorter_than_a_chunk_is_encoded() -> None:
    plan = vae.chunks(100)
    made = torch.cat(list(vae.encode(references.vae(), reference_audio(100), plan)), dim=1)
    assert made.shape == (128, 100)


def test_an_edited_song_is_heard_as_published() -> None:
    audio = reference_audio(200)
    heard = audio * (HEARD_PEAK / audio.abs().max())
    plan = vae.chunks(200)
    moments = torch.cat(list(vae.encode(references.vae(), heard, plan)), dim=1)
    assert largest_difference(moments, tensor("edit.moments")[0]) <= 2e-5
    latent = vae.draw(moments, tensor("edit.noise")[0])
    assert largest_difference(latent, tensor("edit.latent")[0]) <= 2e-5


@pytest.mark.parametrize("number", range(4))
def test_the_frames_of_an_edit_are_as_published(number: int) -> None:
    case = described()["edit"][number]
    song_seconds = 285
    segments = [
        (max(0.0, start), song_seconds if end == -1 else end)
        for start, end in json.loads(case["edit_segments"])
    ]
    mask = frames_made_anew(segments, song_seconds, 200)
    assert np.array_equal(mask, tensor(f"edit.case{number}.mask").numpy())
    kept = tensor("edit.latent")[0].masked_fill(torch.from_numpy(mask)[:, None], 0.0)
    wanted = tensor(f"edit.case{number}.step_cond_frame_abs")
    torch.testing.assert_close(kept.abs().sum(-1), wanted, rtol=1e-5, atol=1e-6)


def whole(tokens: str, duration: float) -> Song:
    placed = tensor(tokens).long()
    made = torch.ones(len(placed), dtype=torch.bool)
    styles = tensor("style")[0], tensor("negative_style")[0]
    return Song(placed, *styles, torch.zeros(len(placed), 64), made, duration)


@LONG
def test_a_song_of_95_seconds_is_as_published() -> None:
    song = whole("lrc.en_plain.base", 1.0)
    latent = last(sample(transformer("base"), song, tensor("song95.noise")))
    assert largest_difference(latent[None, ::16], tensor("song95.latent_every16")) <= 2e-4
    torch.testing.assert_close(
        latent.abs().sum(-1), tensor("song95.latent_frame_abs"), rtol=1e-5, atol=0
    )
    sound = torch.cat(list(vae.decode(references.vae(), latent, vae.chunks(2048))), dim=1)
    written = (sound / sound.abs().max() * 32767).to(torch.int16)
    assert largest_difference(written[:, ::509], tensor("song95.pcm.every509")) <= 16


@LONG
def test_a_long_song_is_as_published() -> None:
    song = whole("lrc.en_dense.full120", num_frames(120) / 6144)
    latent = last(sample(transformer("full"), song, tensor("songlong.noise"), num_points=6))
    assert largest_difference(latent[None, ::16], tensor("songlong.latent_every16")) <= 2e-4
