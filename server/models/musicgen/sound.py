"""A sequence's sound: its frames decoded in pieces, the first one soon, later ones longer."""

from __future__ import annotations

from server.events import Samples
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.sequence import Sequence

LONGEST_CHUNK_SECONDS = 1.0
#: Each piece is made while the one before it plays: nobody who plays at once runs dry as long as
#: a second of music takes less than 1 / GROWTH seconds.
GROWTH = 1.25


class Sound:
    """Decodes what is complete of `sequence`, piece by piece."""

    def __init__(
        self, codec: Codec, channels: int, sequence: Sequence, first_chunk_frames: int
    ) -> None:
        self._sequence = sequence
        self._stream = codec.stream(channels)
        self._device = codec.quantizer.codebooks.device
        self._hop_samples = codec.config.hop_samples
        self._longest_chunk_frames = int(LONGEST_CHUNK_SECONDS * codec.config.frame_rate)
        self._chunk_frames = max(1, first_chunk_frames)
        self._num_decoded = 0

    def piece(self) -> Samples | None:
        """What can be heard now, [channels, n] float32; None if it is too early for the next."""
        sequence = self._sequence
        available = sequence.num_complete_frames
        due = self._num_decoded + self._chunk_frames
        if available < due and not sequence.finished:
            return None
        codes = sequence.frames(self._num_decoded, available).to(self._device)
        made = self._stream.push(codes, last=sequence.finished)
        self._num_decoded = available
        self._plan(made.shape[1])
        return made.float().cpu().numpy() if made.shape[1] else None

    def _plan(self, num_samples: int) -> None:
        """The next piece takes a little more music than the last one was sound."""
        heard_frames = num_samples / self._hop_samples
        grown = max(int(heard_frames * GROWTH), int(heard_frames) + 1)
        self._chunk_frames = min(self._longest_chunk_frames, grown)
