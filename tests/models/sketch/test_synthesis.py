"""Single sounds and single effects: in tune, without clicks, whole however they are cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from server.models.sketch.mixing.ducking import Ducking
from server.models.sketch.mixing.echo import Echo
from server.models.sketch.mixing.limiter import CEILING_DB, LOOKAHEAD, STEP, Limiter
from server.models.sketch.mixing.loudness import Meter
from server.models.sketch.mixing.reverb import Reverb
from server.models.sketch.synthesis.bank import SoundBank
from server.models.sketch.synthesis.drums import hit
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.instruments.textures import TEXTURES
from server.models.sketch.synthesis.kits import DRUMS, KITS, MIDI_OF
from server.models.sketch.synthesis.loops import loop_shape
from server.models.sketch.synthesis.signal import (
    SAMPLE_RATE,
    fading,
    frequency_of,
    noise,
    sine,
)
from tests.models.sketch.pieces import score_of

#: Bells and bars: their partials are no multiples, a pitch detector is led astray.
INHARMONIC = {"bells", "music_box", "kalimba", "vibraphone", "marimba"}


def strength_at(tone: NDArray[np.float64], hertz: float) -> float:
    """How strongly `tone` moves at a frequency: the magnitude of its correlation."""
    turns = np.arange(len(tone)) * (hertz / SAMPLE_RATE)
    window = np.hanning(len(tone))
    return float(abs(np.sum(tone * window * np.exp(-2j * np.pi * turns))))


@pytest.mark.parametrize("name", sorted(set(INSTRUMENTS) - set(TEXTURES) - INHARMONIC))
def test_instruments_are_in_tune(name: str) -> None:
    known = INSTRUMENTS[name]
    pitch = (known.low + known.high) // 2
    tone = SoundBank(1.0).tone(name, pitch, True, SAMPLE_RATE)[0]
    opening = tone[1200 : 1200 + SAMPLE_RATE // 3]
    hertz = frequency_of(pitch)
    harmonics = [n * hertz for n in range(1, 7)]

    def heard(cents: float) -> float:
        return sum(strength_at(opening, f * 2 ** (cents / 1200)) for f in harmonics)

    assert heard(0.0) > heard(-35.0)
    assert heard(0.0) > heard(35.0)


@pytest.mark.parametrize("name", sorted(set(INSTRUMENTS) - set(TEXTURES)))
@pytest.mark.parametrize("hard", [True, False])
def test_tones_are_of_equal_loudness(name: str, hard: bool) -> None:
    known = INSTRUMENTS[name]
    levels = []
    for pitch in (known.low + 6, known.high - 6):
        tone = SoundBank(1.0).tone(name, pitch, hard, SAMPLE_RATE // 2)
        assert np.isfinite(tone).all()
        assert tone.shape[0] in (1, 2)
        both = tone if tone.shape[0] == 2 else np.repeat(tone, 2, axis=0)
        levels.append(10 * math.log10(Meter().energy(both[:, : SAMPLE_RATE // 4])))
    assert abs(levels[0] - levels[1]) < 9.0
    assert all(-33.0 < level < -9.0 for level in levels), levels


@pytest.mark.parametrize("pitch", range(24, 109, 5))
def test_loops_are_in_tune(pitch: int) -> None:
    samples, periods = loop_shape(frequency_of(pitch))
    cents = 1200 * math.log2(periods * SAMPLE_RATE / samples / frequency_of(pitch))
    assert abs(cents) < 0.6


@pytest.mark.parametrize("kit", sorted(KITS))
def test_drums_begin_at_once_and_fade_out(kit: str) -> None:
    for name in DRUMS:
        sound = hit(kit, MIDI_OF[name], 1.0, False, 0)
        assert np.isfinite(sound).all()
        assert 0.1 < np.abs(sound).max() <= 1.0
        assert np.abs(sound[:, -1]).max() < 1e-3
        early = np.abs(sound[:, : SAMPLE_RATE // 20]).max()
        assert early > 0.5 * np.abs(sound).max()


def test_kicks_are_tuned_to_the_key() -> None:
    for tonic in range(12):
        tail = hit("house", MIDI_OF["kick"], 1.0, False, tonic)[0][5000:16_000]
        spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail)), 1 << 18))
        hertz = float(np.argmax(spectrum)) * SAMPLE_RATE / (1 << 18)
        pitch = 69 + 12 * math.log2(hertz / 440)
        distance = min(abs((pitch - tonic - step + 6) % 12 - 6) for step in (0, 7))
        assert distance < 0.6, tonic


def test_a_decay_loses_60_db_in_its_time() -> None:
    curve = fading(2 * SAMPLE_RATE, 1.5)
    assert curve[round(1.5 * SAMPLE_RATE)] == pytest.approx(1e-3, rel=1e-5)


def test_the_sine_is_a_sine() -> None:
    turns = np.linspace(-3.0, 7.0, 5000)
    assert np.abs(sine(turns) - np.sin(2 * np.pi * turns)).max() < 1e-6


def in_pieces(effect: Reverb | Echo, sound: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return np.concatenate([effect(sound[at : at + size]) for at in range(0, len(sound), size)], 1)


@pytest.mark.parametrize("size", [960, 4800, 7776])
def test_effects_do_not_depend_on_the_cuts(size: int) -> None:
    sound = noise(4 * 9600, 3)
    assert np.array_equal(in_pieces(Reverb(1.5), sound, size), Reverb(1.5)(sound))
    assert np.array_equal(in_pieces(Echo(3001), sound, size), Echo(3001)(sound))


@pytest.mark.parametrize("seconds", [0.8, 1.6, 3.2])
def test_the_reverb_falls_60_db_in_its_time(seconds: float) -> None:
    click = np.zeros(round(2 * seconds) * SAMPLE_RATE + SAMPLE_RATE)
    click[:480] = noise(480, 1)
    tail = Reverb(seconds)(click)
    powers = np.mean(tail[:, : len(tail[0]) // 2400 * 2400].reshape(2, -1, 2400) ** 2, axis=(0, 2))
    levels = 10 * np.log10(powers + 1e-30)
    first, last = round(0.15 * 20), round(0.6 * seconds * 20)
    slope = np.polyfit(np.arange(first, last) / 20, levels[first:last], 1)[0]
    # highs are damped on top of it, so the whole falls a little faster
    assert 0.45 * seconds < -60 / slope < 1.15 * seconds
    left, right = tail[:, 9600:48_000]
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.3


def test_the_echo_comes_back_in_time_and_softer() -> None:
    click = np.zeros(40_000)
    click[0] = 1.0
    out = Echo(9000)(click)
    assert [int(np.argmax(out[0])), int(np.argmax(out[1]))] == [9000, 18_000]
    assert 0.1 < out[0][27_000] < 0.5


def test_the_limiter_keeps_the_ceiling_and_leaves_the_rest_alone() -> None:
    calm = 0.3 * sine(np.arange(STEP * 900) * 0.01)
    loud = calm.copy()
    loud[4000:4100] += 2.0 * noise(100, 5)
    for sound, touched in ((calm, False), (loud, True)):
        stereo = np.stack([sound, -sound])
        gains = Limiter().gains(stereo)
        late = np.concatenate([np.zeros((2, LOOKAHEAD)), stereo], axis=1)[:, : stereo.shape[1]]
        assert np.abs(late * gains).max() <= 10 ** (CEILING_DB / 20) + 1e-9
        assert (gains.min() < 0.7) == touched
        assert np.abs(np.diff(gains)).max() < 0.02
    assert gains[-1] > 0.9


def test_the_kick_ducks_and_lets_go() -> None:
    score = score_of("house at 120 bpm", 12)
    curve = Ducking(score, 0.6).curve(0, 12 * SAMPLE_RATE)
    assert curve.min() == pytest.approx(0.4, abs=0.01)
    assert curve.max() == 1.0
    assert np.abs(np.diff(curve)).max() < 0.01
    parts = np.concatenate([Ducking(score, 0.6).curve(a, a + 4800) for a in range(0, 48_000, 4800)])
    assert np.array_equal(parts, curve[:48_000])


def test_the_meter_agrees_with_a_public_one() -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm measures the loudness")
    for hertz in (60.0, 440.0, 3000.0):
        tone = 0.25 * sine(np.arange(5 * SAMPLE_RATE) * (hertz / SAMPLE_RATE))
        stereo = np.stack([tone, tone])
        expected = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(stereo.T)
        found = -0.691 + 10 * math.log10(Meter().energy(stereo) / 5)
        # the shelf is warped a little at the meter's lower rate
        assert found == pytest.approx(expected, abs=0.35)
