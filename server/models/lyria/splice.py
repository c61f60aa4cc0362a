"""Joins the sound of several sessions into one piece of an exact length."""

from __future__ import annotations

import numpy as np

from server.events import Samples
from server.models.lyria.controls import CHANNELS, SAMPLE_RATE

#: Where one session ends and the next begins, they overlap so long.
FADE_FRAMES = SAMPLE_RATE // 2


class Splice:
    """Takes sound as it comes and gives out what is certain; `total_frames` in all.

    The latest FADE_FRAMES are held back, for they may turn out to be the last of their session.
    Sound is float32 [channels, n].
    """

    def __init__(self, total_frames: int) -> None:
        self._total_frames = total_frames
        self.given_frames = 0
        self._held = _silence()
        #: What the next session has sent so far, until it is enough to fade over to.
        self._next: Samples | None = None

    @property
    def num_frames(self) -> int:
        """How much there is, given out or held back."""
        return min(self._total_frames, self.given_frames + self._held.shape[1])

    @property
    def complete(self) -> bool:
        return self.num_frames == self._total_frames

    def add(self, samples: Samples) -> Samples:
        """Take more; give out what is certain, perhaps nothing."""
        if self._next is None:
            self._held = np.concatenate([self._held, samples], axis=1)
            return self._give()
        self._next = np.concatenate([self._next, samples], axis=1)
        if self._next.shape[1] < self._held.shape[1]:
            return _silence()
        self._held, self._next = cross_faded(self._held, self._next), None
        return self._give()

    def cut(self) -> None:
        """The session is over: what comes is another's. Too little to fade over to is dropped."""
        self._next = _silence()

    def rest(self) -> Samples:
        """What was held back, when nothing more will come."""
        return self._give(held_back_frames=0)

    def _give(self, held_back_frames: int = FADE_FRAMES) -> Samples:
        held_back_frames = 0 if self.complete else held_back_frames
        end = min(self._held.shape[1] - held_back_frames, self._total_frames - self.given_frames)
        given, self._held = np.split(self._held, [max(0, end)], axis=1)
        self.given_frames += given.shape[1]
        return given


def cross_faded(old: Samples, new: Samples) -> Samples:
    """`new` [channels, n], beginning with a fade from all of `old`, which is no longer.

    Of equal power, since the music of two sessions has no common waveform.
    """
    num_frames = old.shape[1]
    angle = np.linspace(0, np.pi / 2, num_frames, dtype=np.float32)
    faded = old * np.cos(angle) + new[:, :num_frames] * np.sin(angle)
    return np.concatenate([faded, new[:, num_frames:]], axis=1)


def _silence() -> Samples:
    return np.zeros((CHANNELS, 0), np.float32)
