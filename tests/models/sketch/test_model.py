"""The model: exact lengths, progress, the same bytes again, fields before prompt."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from server.events import AudioChunk, Document, Progress
from server.models.sketch.composition.theory import SIGNATURES
from server.models.sketch.genres import GENRES
from tests.models.sketch.pieces import (
    RATE,
    SKETCH,
    as_int16,
    chunks_of,
    request_for,
    score_of,
    sound_of,
)
from tests.soak import SOAK

DURATIONS = range(1, 301) if SOAK else (1, 2, 3, 5, 8, 13, 31)


@pytest.mark.parametrize("seconds", DURATIONS)
def test_is_as_long_as_asked(seconds: int) -> None:
    genre = list(GENRES)[seconds % len(GENRES)]
    chunks = chunks_of(request_for(genre, seconds))
    assert sum(chunk.shape[1] for chunk in chunks) == seconds * RATE


@pytest.mark.parametrize("bpm", [40, 97, 240])
@pytest.mark.parametrize("seconds", [1, 2, 7])
def test_is_as_long_as_asked_at_any_tempo(bpm: int, seconds: int) -> None:
    sound = sound_of("waltz", seconds, bpm=bpm)
    assert sound.shape == (2, seconds * RATE)
    assert np.abs(sound).max() > 0.05


def test_five_minutes() -> None:
    sound = np.concatenate(chunks_of(request_for("techno", 300)), axis=1)
    assert sound.shape == (2, 300 * RATE)
    assert np.isfinite(sound).all()


def test_sound_comes_first_and_progress_rises_to_100() -> None:
    events = list(SKETCH.steps(request_for("jazz", 9)))
    assert isinstance(events[0], AudioChunk)
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 100.0
    assert percents[0] > 0.0
    assert len(percents) == sum(isinstance(event, AudioChunk) for event in events)


def test_chunks_are_no_longer_than_a_bar() -> None:
    chunks = chunks_of(request_for("house", 20, bpm=120))
    assert max(chunk.shape[1] for chunk in chunks) <= 2 * RATE + 64
    assert len(chunks) >= 10


def test_same_request_same_bytes_another_seed_another_piece() -> None:
    again = np.concatenate(chunks_of(request_for("funk", 12)), axis=1)
    assert as_int16(sound_of("funk")) == as_int16(again)
    assert as_int16(sound_of("funk", seed=2)) != as_int16(again)
    assert score_of("funk", seed=2).parts != score_of("funk", seed=1).parts


def test_samples_lie_on_the_16_bit_grid() -> None:
    scaled = sound_of("folk").astype(np.float64) * 32767.0
    assert np.abs(scaled - np.rint(scaled)).max() < 2e-3


HASHED = ("lofi with rain", "metal", "古风", "cinematic battle", "drum and bass")

_FRESH = """
import hashlib, json, sys
from tests.models.sketch.pieces import as_int16, sound_of
digests = {p: hashlib.sha256(as_int16(sound_of(p, 6))).hexdigest() for p in json.loads(sys.argv[1])}
print(json.dumps(digests))
"""


def test_a_fresh_process_makes_the_same_bytes() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FRESH, json.dumps(HASHED)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "99", "PYTHONPATH": ":".join(p for p in sys.path if p) or "."},
    )
    here = {p: hashlib.sha256(as_int16(sound_of(p, 6))).hexdigest() for p in HASHED}
    assert json.loads(ran.stdout) == here


@pytest.mark.parametrize(
    "prompt",
    ["", "   ", "😀🎸🥁", "\x00\x7f", "a" * 10_000, "爵士" * 5000, "no " * 3000, "\U0010ffff" * 50],
)
def test_any_prompt_makes_music(prompt: str) -> None:
    sound = sound_of(prompt, 3)
    assert sound.shape == (2, 3 * RATE)
    assert np.sqrt(np.mean(np.square(sound))) > 0.01


def test_fields_win_over_the_prompt() -> None:
    told = SKETCH.interpret(
        request_for(
            "slow dark sparse jazz at 70 bpm in C minor",
            bpm=151,
            scale="E_MAJOR_D_FLAT_MINOR",
            density=0.9,
            brightness=1.0,
        )
    )
    assert told["bpm"] == 151
    assert told["scale"] == "E_MAJOR_D_FLAT_MINOR"
    assert told["density"] == 0.9
    assert told["brightness"] == 1.0


@pytest.mark.parametrize("scale", SIGNATURES)
def test_every_scale_is_obeyed(scale: str) -> None:
    score = score_of("pop", scale=scale)
    assert score.key.signature == scale
    pitches = [n.pitch % 12 for part in score.parts if part.bus != "drums" for n in part.notes]
    outside = sum(pitch not in score.key.scale for pitch in pitches) / len(pitches)
    assert outside < 0.06


@pytest.mark.parametrize(("temperature", "guidance"), [(0.0, 20.0), (10.0, 0.0), (1.0, 3.0)])
def test_the_whole_range_of_temperature_and_guidance(temperature: float, guidance: float) -> None:
    sound = sound_of("lofi", 4, temperature=temperature, guidance=guidance)
    assert np.abs(sound).max() > 0.1


def test_temperature_makes_pieces_less_alike() -> None:
    def variety(temperature: float) -> int:
        told = [
            SKETCH.interpret(request_for("pop", seed=s, temperature=temperature, guidance=20.0))
            for s in range(20)
        ]
        return len({str(one["instruments"]) for one in told})

    assert variety(0.0) < variety(3.0)


def test_guidance_keeps_the_chords_of_the_genre() -> None:
    def borrowed(guidance: float) -> int:
        told = [
            SKETCH.interpret(request_for("house", seed=s, guidance=guidance)) for s in range(40)
        ]
        return sum("chords_of" in one for one in told)

    assert borrowed(20.0) == 0
    assert borrowed(0.0) > 8


def test_top_k_and_top_p_change_nothing() -> None:
    plain = sound_of("waltz", 2)
    assert as_int16(sound_of("waltz", 2, top_k=5, top_p=0.3)) == as_int16(plain)


def test_stems_come_beside_each_chunk_and_leave_the_mix_as_it_is() -> None:
    chunks = [
        event
        for event in SKETCH.steps(request_for("funk", 6, stems=True))
        if isinstance(event, AudioChunk)
    ]
    mix = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert as_int16(mix) == as_int16(sound_of("funk", 6))
    for chunk in chunks:
        assert set(chunk.stems) == {"drums", "bass", "harmony", "melody"}
        assert all(stem.shape == chunk.samples.shape for stem in chunk.stems.values())
        total = np.sum(list(chunk.stems.values()), axis=0)
        assert np.abs(total - chunk.samples).max() < 2.6 / 32767


def test_a_midi_file_comes_when_it_is_asked_for() -> None:
    events = list(SKETCH.steps(request_for("funk", 4, format="midi")))
    assert [event.format for event in events if isinstance(event, Document)] == ["midi"]
    assert isinstance(events[-1], Document)
    assert events[-1].content.startswith(b"MThd")
    assert not any(isinstance(event, Document) for event in SKETCH.steps(request_for("funk", 4)))


def test_the_interpretation_is_json() -> None:
    told = SKETCH.interpret(request_for("悲伤的钢琴曲，不要鼓"))
    assert json.loads(json.dumps(told)) == told


def test_what_the_model_declares() -> None:
    info = SKETCH.info
    assert (info.sample_rate, info.channels) == (RATE, 2)
    assert (info.min_duration_seconds, info.max_duration_seconds) == (1, 300)
    assert info.abilities == {"stems"}
    assert info.formats == ("midi",)
    names = {control.name for control in info.controls}
    assert {"bpm", "scale", "density", "brightness", "temperature", "guidance"} <= names
