"""Loudness by design: what the score will measure, known before a note is rendered.

Loudness is that of ITU-R BS.1770-4 (`server/audio/loudness.py`). The expectation is rough (a model
of each instrument's decay), so a leveller compares it with what was rendered so far and corrects
the gain, slowly and by little; the dynamics of the score stay as written.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.signal import sosfilt

from server.audio.levels import TARGET_LUFS
from server.audio.loudness import OFFSET_LUFS, STEP_SECONDS, integrated_power, weighting
from server.models.sketch.composition.score import TICKS_PER_BEAT, Note, Part, Score
from server.models.sketch.genres.genre import Room
from server.models.sketch.mixing.finish import Finish
from server.models.sketch.mixing.levels import hit_gain, note_gain, part_gains
from server.models.sketch.synthesis.drums import SOFT_BELOW, hit
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.patch import Patch, StringPatch
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    Signal,
    frequency_of,
    gain_of,
    settled,
)

_DECIMATION = 4  # loudness is measured on every fourth sample: aliases have the same power


class Meter:
    """Measures the weighted power of a stereo signal, stretch after stretch."""

    def __init__(self) -> None:
        self._sos = weighting(SAMPLE_RATE // _DECIMATION)
        self._state: Signal = np.zeros((len(self._sos), 2, 2))
        self._skip = 0

    def energy(self, stereo: Signal) -> float:
        """The weighted energy of `stereo` [2, n], both channels together, in seconds at power 1."""
        sparse = stereo[:, self._skip :: _DECIMATION]
        self._skip = (self._skip - stereo.shape[1]) % _DECIMATION
        weighted, state = sosfilt(self._sos, sparse, axis=1, zi=self._state)
        self._state = np.asarray(state, dtype=np.float64)
        squares = np.square(weighted).cumsum(axis=1)[:, -1] if sparse.shape[1] else np.zeros(2)
        return float(squares[0] + squares[1]) * _DECIMATION / SAMPLE_RATE


@lru_cache(maxsize=512)
def hit_energy(kit: str, midi: int, shine: float, soft: bool, tonic: int) -> float:
    """The weighted energy of one hit at full velocity."""
    return settled(Meter().energy(hit(kit, midi, shine, soft, tonic)))


def expected_power(score: Score, finish: Finish) -> Signal:
    """The weighted power of the mix that a score is expected to have: one value each 0.1 s."""
    num_steps = int(score.duration_seconds / STEP_SECONDS) + 1
    changes = [0.0] * (num_steps + 1)  # of power, from step to step
    steps_per_tick = 60.0 / (score.bpm * TICKS_PER_BEAT * STEP_SECONDS)
    for part in score.parts:
        left, right = part_gains(part)
        share = _effects_gain(part, finish.room) * (left * left + right * right) * 0.5
        for note in part.notes:
            energy, seconds = _expected(part, note, score, finish.shine)
            first = min(int(note.start_ticks * steps_per_tick), num_steps - 1)
            last = min(first + max(round(seconds / STEP_SECONDS), 1), num_steps)
            power = energy * share / ((last - first) * STEP_SECONDS)
            changes[first] += power
            changes[last] -= power
    power_by_step: Signal = np.maximum(np.cumsum(changes)[:-1], 0.0)
    return power_by_step


def _effects_gain(part: Part, room: Room) -> float:
    """What reverberation adds and ducking takes, in power."""
    wet = {"drums": 0.3, "bass": 0.05}.get(part.bus, 1.0) * room.reverb
    ducked = room.ducking if part.bus in ("bass", "harmony") else 0.0
    return (1.0 + 1.5 * wet * wet) * (1.0 - 0.55 * ducked)


def _expected(part: Part, note: Note, score: Score, shine: float) -> tuple[float, float]:
    """The energy of a note, both channels together, and the seconds over which it is spent."""
    if part.bus == "drums":
        gain, soft = hit_gain(note.velocity), note.velocity < SOFT_BELOW
        energy = hit_energy(part.instrument, note.pitch, shine, soft, score.key.tonic)
        return gain * gain * energy, STEP_SECONDS
    patch = INSTRUMENTS[part.instrument].patch
    seconds = note.duration_ticks * 60.0 / (score.bpm * TICKS_PER_BEAT)
    spent = min(seconds + 0.4 * patch.release_seconds, _lasting_seconds(patch, note.pitch))
    amplitude = 0.25 * note_gain(note.velocity)
    return 2.0 * amplitude * amplitude * spent, spent


@lru_cache(maxsize=1024)
def _lasting_seconds(patch: Patch, pitch: int) -> float:
    """How long a note of full power would hold the energy of one that decays."""
    if not patch.ring_seconds:
        return math.inf
    damping = 0.5 if isinstance(patch, StringPatch) else getattr(patch, "damping", 0.0)
    ring = patch.ring_seconds * math.pow(220.0 / frequency_of(pitch), damping)
    return ring / 13.8 * 1.3


class Leveller:
    """The gain that brings a piece to the target loudness while it is being rendered."""

    _TRUST_SECONDS = 0.8  # how long the score is believed more than the measurement
    _FURTHEST_DB = 9.0

    def __init__(self, power: Signal) -> None:
        integrated = integrated_power(power)
        self._power = power
        self._prior = integrated * self._TRUST_SECONDS
        self._base = settled(gain_of(TARGET_LUFS - OFFSET_LUFS) / math.sqrt(integrated))
        self._expected = self._measured = self._prior
        self._meter = Meter()
        self._gain: float | None = None

    def gains(self, mix: Signal, start: int) -> Signal:
        """The gain over `mix` [2, n], which begins at sample `start`: [n]."""
        stop = start + mix.shape[1]
        self._expected += self._between(start, stop)
        self._measured += self._meter.energy(mix)
        furthest = gain_of(self._FURTHEST_DB)
        trim = math.sqrt(self._expected / self._measured)
        goal = self._base * settled(min(max(trim, 1.0 / furthest), furthest))
        before = goal if self._gain is None else self._gain
        self._gain = goal
        ramp: Signal = before + (goal - before) * (np.arange(1, mix.shape[1] + 1) / mix.shape[1])
        return ramp

    def _between(self, start: int, stop: int) -> float:
        """The energy expected between two samples."""
        edges = np.arange(len(self._power) + 1) * (STEP_SECONDS * SAMPLE_RATE)
        inside = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start), 0.0, None)
        return settled(float((inside * self._power).cumsum()[-1]) / SAMPLE_RATE)
