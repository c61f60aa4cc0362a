"""A sequence's sound: its frames decoded in pieces, the first one soon, later ones longer."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from weakref import WeakSet

from torch import Tensor

from server.events import Samples
from server.models.musicgen.codec.model import Codec, DecoderStream
from server.models.musicgen.sequence import Sequence

LONGEST_CHUNK_SECONDS = 1.0
#: Each piece is made while the one before it plays: nobody who plays at once runs dry as long as
#: a second of music takes less than 1 / GROWTH seconds.
GROWTH = 1.25


class Beat:
    """Lets sounds whose pieces have grown to the longest be due at the same step.

    Then the codec makes them all at once. The first such sound sets the beat, others fall in.
    """

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.now = 0
        self._origin = 0
        self._sounds: WeakSet[Sound] = WeakSet()

    def steps_left(self, sound: Sound) -> int:
        """Until `sound` should be due, 1 to `num_steps`."""
        self._sounds.add(sound)
        if len(self._sounds) == 1:
            self._origin = self.now
        return self.num_steps - (self.now - self._origin) % self.num_steps


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
        self, codec: Codec, channels: int, sequence: Sequence, beat: Beat, first_chunk_frames: int
    ) -> None:
        self._sequence = sequence
        self._stream = codec.stream(channels)
        self._hop_samples = codec.config.hop_samples
        self._beat = beat
        self._chunk_frames = max(1, first_chunk_frames)
        self._grown_frames = 0
        self._num_decoded = 0
        self._pending = False
        #: Whether its last piece has been made.
        self.complete = False

    def due(self) -> Piece | None:
        """The next piece, if it is time for it and none is being decoded."""
        sequence = self._sequence
        available = sequence.num_complete_frames
        early = available < self._num_decoded + self._chunk_frames and not sequence.finished
        if self._pending or self.complete or early:
            return None
        self._pending = True
        # A long opening is not decoded at once: nobody else's steps should wait for it.
        stop = min(available, self._num_decoded + self._chunk_frames)
        codes = sequence.frames(self._num_decoded, stop)
        last = sequence.finished and stop == available
        return Piece(self, self._stream, codes, last)

    def made(self, piece: Piece, samples: Samples) -> None:
        """`piece` has become `samples` [channels, n]."""
        self._pending = False
        self._num_decoded += piece.codes.shape[1]
        self.complete = piece.last
        self._plan(samples.shape[1])

    def not_made(self) -> None:
        """The piece could not be decoded; it will be due again."""
        self._pending = False

    def _plan(self, num_samples: int) -> None:
        """Each piece takes a little more music than the longest before it was sound."""
        heard_frames = num_samples / self._hop_samples
        grown = max(int(heard_frames * GROWTH), int(heard_frames) + 1)
        self._grown_frames = min(self._beat.num_steps, max(self._grown_frames, grown))
        self._chunk_frames = self._grown_frames
        if self._grown_frames == self._beat.num_steps:
            num_waiting = self._sequence.num_complete_frames - self._num_decoded
            on_beat = num_waiting + self._beat.steps_left(self)
            self._chunk_frames = min(on_beat, self._grown_frames)
