"""Audio files in memory: WAV, FLAC, OGG Vorbis and MP3, by libsndfile."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from server.audio.waveform import FULL_SCALE, to_pcm16
from server.events import Samples

#: libsndfile's Vorbis encoder overruns its stack on long writes, and a stop is seen between blocks.
BLOCK_FRAMES = 48_000


@dataclass(frozen=True)
class Format:
    """A file format. This table is the place to add one."""

    name: str
    media_type: str
    container: str
    encoding: str


FORMATS = {
    format.name: format
    for format in (
        Format("wav", "audio/wav", "WAV", "PCM_16"),
        Format("flac", "audio/flac", "FLAC", "PCM_16"),
        Format("ogg", "audio/ogg", "OGG", "VORBIS"),
        Format("mp3", "audio/mpeg", "MP3", "MPEG_LAYER_III"),
    )
}


#: Of the documents that models make besides sound.
DOCUMENT_MEDIA_TYPES = {"midi": "audio/midi", "txt": "text/plain; charset=utf-8"}


class Stopped(Exception):
    """The encoding was told to stop; nobody wants the file any more."""


def encode(
    chunks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    format: str,
    stopped: Callable[[], bool] = lambda: False,
) -> bytes:
    """A complete file of the joined `chunks`, each [channels, n].

    Blocking. `stopped` is asked before every second of sound or so; raises `Stopped`.
    """
    file = io.BytesIO()
    write(file, chunks, sample_rate, channels, format, stopped)
    return file.getvalue()


def write(
    file: BinaryIO | Path,
    chunks: Iterable[Samples],
    sample_rate: int,
    channels: int,
    format: str,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """The same into a `file`, open or to be made, with no more than a chunk in memory."""
    wanted = FORMATS[format]
    with soundfile.SoundFile(
        file, "w", sample_rate, channels, wanted.encoding, format=wanted.container
    ) as sink:
        for chunk in chunks:
            pcm = to_pcm16(chunk)
            for start in range(0, len(pcm), BLOCK_FRAMES):
                if stopped():
                    raise Stopped
                sink.write(pcm[start : start + BLOCK_FRAMES])


def read(path: Path, start_frame: int = 0, num_frames: int = -1) -> Iterator[Samples]:
    """The sound of a 16-bit file in blocks [channels, n], which `to_pcm16` gives back exactly."""
    with soundfile.SoundFile(path) as source:
        source.seek(start_frame)
        for block in source.blocks(BLOCK_FRAMES, frames=num_frames, dtype="int16", always_2d=True):
            yield (block.T / np.float32(FULL_SCALE)).astype(np.float32)
