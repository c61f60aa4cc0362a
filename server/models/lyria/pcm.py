"""The sound that Google sends, as samples."""

from __future__ import annotations

import re

import numpy as np

from server.audio.waveform import FULL_SCALE
from server.events import Samples
from server.models.lyria.controls import CHANNELS, SAMPLE_RATE
from server.models.lyria.faults import Fault, Kind

BYTES_PER_FRAME = 2 * CHANNELS
PCM_TYPES = ("audio/l16", "audio/pcm", "audio/raw", "audio/wav")


class Decoder:
    """16-bit little-endian PCM, interleaved, cut anywhere, becomes float32 [channels, n]."""

    def __init__(self) -> None:
        self._begun = b""

    def decode(self, data: bytes, mime_type: str | None) -> Samples:
        """The whole frames so far. Raises `Fault` if it is other sound than is expected."""
        check(mime_type)
        data = self._begun + data
        end = len(data) - len(data) % BYTES_PER_FRAME
        self._begun = data[end:]
        frames = np.frombuffer(data[:end], "<i2").reshape(-1, CHANNELS)
        return np.ascontiguousarray(frames.T / np.float32(FULL_SCALE), dtype=np.float32)


def check(mime_type: str | None) -> None:
    """Other sound must not be taken for the known one: it would play at a wrong speed."""
    if not mime_type:
        return
    kind, *parameters = mime_type.lower().replace(" ", "").split(";")
    found = dict(re.findall(r"(rate|channels)=(\d+)", ";".join(parameters)))
    as_expected = (
        kind in PCM_TYPES
        and int(found.get("rate", SAMPLE_RATE)) == SAMPLE_RATE
        and int(found.get("channels", CHANNELS)) == CHANNELS
    )
    if not as_expected:
        said = f"it sent sound of the type {mime_type[:80]!r}, which this version does not know"
        raise Fault(Kind.REFUSED, said)
