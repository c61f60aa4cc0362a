"""A track: adds the notes of one part into its sound, a stretch of time after the other."""

from __future__ import annotations

import numpy as np

from server.models.sketch.composition.score import Note, Part, Score
from server.models.sketch.mixing.levels import hit_gain, note_gain, part_gains
from server.models.sketch.synthesis.bank import HARD_FROM, SoundBank
from server.models.sketch.synthesis.drums import SOFT_BELOW, hit
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal, rising, samples_of


class Track:
    """One part of a score, rendered in order of time."""

    def __init__(self, score: Score, part: Part, bank: SoundBank) -> None:
        self.part = part
        self._bank = bank
        self._tonic = score.key.tonic
        self._starts = [score.samples_at(note.start_ticks, SAMPLE_RATE) for note in part.notes]
        self._lengths = [score.samples_at(note.duration_ticks, SAMPLE_RATE) for note in part.notes]
        self._longest = self._longest_by_tone()
        self._next = 0
        self._now = 0
        self._gains = np.array(part_gains(part))[:, np.newaxis]
        self._pending: Signal = np.zeros((1, 0))  # mono until a sound is stereo

    def rendered(self, num_samples: int) -> Signal | None:
        """The next `num_samples`: [2, num_samples], or None where the part is silent."""
        end = self._now + num_samples
        while self._next < len(self._starts) and self._starts[self._next] < end:
            at = max(self._starts[self._next] - self._now, 0)
            self._add(self.part.notes[self._next], at, self._lengths[self._next])
            self._next += 1
        self._now = end
        if not self._pending.shape[1]:
            return None
        self._reserve(num_samples)
        out: Signal = self._pending[:, :num_samples] * self._gains
        self._pending = self._pending[:, num_samples:]
        return out

    def _longest_by_tone(self) -> dict[tuple[int, bool], int]:
        """The longest note in samples of each pitch, soft and hard."""
        longest: dict[tuple[int, bool], int] = {}
        for note, length in zip(self.part.notes, self._lengths, strict=True):
            key = (note.pitch, note.velocity >= HARD_FROM)
            longest[key] = max(longest.get(key, 0), length)
        return longest

    def _reserve(self, num_samples: int) -> None:
        channels, ready = self._pending.shape
        if num_samples > ready:
            grown = np.zeros((channels, num_samples + SAMPLE_RATE // 2))
            grown[:, :ready] = self._pending
            self._pending = grown

    def _add(self, note: Note, at: int, length: int) -> None:
        if self.part.bus == "drums":
            soft = note.velocity < SOFT_BELOW
            sound = hit(self.part.instrument, note.pitch, self._bank.shine, soft, self._tonic)
            gain = hit_gain(note.velocity)
        else:
            sound, gain = self._tone(note, length), note_gain(note.velocity)
        if sound.shape[0] > self._pending.shape[0]:
            self._pending = np.repeat(self._pending, 2, axis=0)
        self._reserve(at + sound.shape[1])
        self._pending[:, at : at + sound.shape[1]] += sound * gain

    def _tone(self, note: Note, length: int) -> Signal:
        """The note, faded out after `length` samples: [1 or 2, n]."""
        hard = note.velocity >= HARD_FROM
        instrument = self.part.instrument
        release = samples_of(INSTRUMENTS[instrument].patch.release_seconds)
        longest = self._longest[note.pitch, hard] + release
        tone = self._bank.tone(instrument, note.pitch, hard, longest)
        sound = tone[:, : length + release].copy()
        sound[:, length:] *= rising(release)[::-1]
        return sound
