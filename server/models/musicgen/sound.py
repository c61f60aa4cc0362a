"""A sequence's sound: its frames decoded in pieces, the first one soon, later ones longer."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Sequence as Several
from dataclasses import dataclass

from torch import Tensor

from server.events import Samples
from server.models.musicgen.codec.model import Codec, DecoderStream
from server.models.musicgen.sequence import Sequence

LONGEST_CHUNK_SECONDS = 1.0
#: Frames that may be drawn while a frame of sound plays: nobody who plays at once runs dry as long
#: as a second of music takes less than 1 / GROWTH seconds.
GROWTH = 1.25


@dataclass(frozen=True)
class Piece:
    """Frames to be decoded: `codes` [K, n], a copy. `last` ends the sound."""

    sound: Sound
    stream: DecoderStream
    codes: Tensor
    last: bool

    @property
    def form(self) -> Hashable:
        """Pieces of equal form can be decoded together."""
        return self.stream.form, self.codes.shape, self.last


class Sound:
    """Says what of `sequence` is to be decoded next, a piece at a time."""

    def __init__(
        self, codec: Codec, channels: int, sequence: Sequence, first_chunk_frames: int
    ) -> None:
        self._sequence = sequence
        self._stream = codec.stream(channels)
        self._hop_samples = codec.config.hop_samples
        self._first_frames = max(1, first_chunk_frames)
        self._longest_frames = int(LONGEST_CHUNK_SECONDS * codec.config.frame_rate)
        self._num_decoded = sequence.wish.first_heard_frame
        #: When so many frames are complete the next piece is due.
        self._due_frames = self._num_decoded + self._first_frames
        #: How many were when the first piece had been made; None before.
        self._begun_frames: int | None = None
        self._num_heard_samples = 0
        self._pending = False
        #: Whether its last piece has been made.
        self.complete = False

    @property
    def is_due(self) -> bool:
        """Whether its next piece must be decoded now."""
        return self._is_free and (
            self._sequence.finished or self._sequence.num_complete_frames >= self._due_frames
        )

    @property
    def can_go_along(self) -> bool:
        """Whether half of its next piece is there."""
        num_waiting = self._sequence.num_complete_frames - self._num_decoded
        half = (self._due_frames - self._num_decoded) / 2
        return self._is_free and self._begun_frames is not None and num_waiting >= half

    def piece(self) -> Piece:
        """The next piece, now being decoded."""
        self._pending = True
        available = self._sequence.num_complete_frames
        stop = min(available, self._num_decoded + self._most_frames)
        codes = self._sequence.frames(self._num_decoded, stop)
        last = self._sequence.finished and stop == available
        return Piece(self, self._stream, codes, last)

    def made(self, piece: Piece, samples: Samples) -> None:
        """`piece` has become `samples` [channels, n]."""
        self._pending = False
        self._num_decoded += piece.codes.shape[1]
        self._num_heard_samples += samples.shape[1]
        self.complete = piece.last
        self._plan()

    def not_made(self) -> None:
        """The piece could not be decoded; it will be due again."""
        self._pending = False

    @property
    def _is_free(self) -> bool:
        return not (self._pending or self.complete)

    @property
    def _most_frames(self) -> int:
        """A long opening is not decoded at once: nobody else's steps should wait for it."""
        in_opening = self._num_decoded < self._sequence.wish.num_opening_frames
        return self._first_frames if in_opening else self._longest_frames

    def _plan(self) -> None:
        """The next piece is there before what was heard has been played."""
        if self._begun_frames is None:
            self._begun_frames = self._sequence.num_complete_frames
        heard_frames = self._num_heard_samples / self._hop_samples
        latest = int(self._begun_frames + GROWTH * heard_frames)
        shortest, longest = self._num_decoded + 1, self._num_decoded + self._most_frames
        self._due_frames = min(max(latest, shortest), longest)


def due(sounds: Several[Sound]) -> list[Piece]:
    """What is to be decoded now.

    If anything is, all go along that have half of a piece: then their next pieces begin at the same
    step, and are alike.
    """
    if not any(sound.is_due for sound in sounds):
        return []
    return [sound.piece() for sound in sounds if sound.is_due or sound.can_go_along]
