"""What a file says of itself: title, model, seed, software and date."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from mutagen.flac import FLAC
from mutagen.id3 import COMM, ID3, TDRC, TIT2, TPE1, TSSE
from mutagen.oggvorbis import OggVorbis

#: Where in a RIFF file its size stands, which counts everything after itself.
RIFF_SIZE_AT = 4


@dataclass(frozen=True)
class Tags:
    """`date` is a day, as 2026-01-31."""

    title: str
    artist: str
    comment: str
    software: str
    date: str


def write_tags(path: Path, format: str, tags: Tags) -> None:
    """Put `tags` into the audio file at `path`; a format that holds none is left as it is.

    Blocking.
    """
    if format == "wav":
        _append_info(path, tags)
    elif format == "mp3":
        _id3(tags).save(path)
    elif format in ("flac", "ogg"):
        file = FLAC(path) if format == "flac" else OggVorbis(path)
        for name, value in vars(tags).items():
            file[name] = [value]
        file.save()


def _id3(tags: Tags) -> ID3:
    frames = (TIT2(text=tags.title), TPE1(text=tags.artist), TDRC(text=tags.date))
    found = ID3()
    for frame in (*frames, TSSE(text=tags.software), COMM(lang="eng", text=tags.comment)):
        found.add(frame)
    return found


def _append_info(path: Path, tags: Tags) -> None:
    """A RIFF INFO list, as the Multimedia Programming Interface of 1991 has it, in UTF-8.

    It comes last, so that the sound stays where simple readers expect it, at byte 44.
    """
    fields = {
        b"INAM": tags.title,
        b"IART": tags.artist,
        b"ICMT": tags.comment,
        b"ISFT": tags.software,
        b"ICRD": tags.date,
    }
    info = b"INFO" + b"".join(_chunk(name, text.encode() + b"\0") for name, text in fields.items())
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(_chunk(b"LIST", info) if end % 2 == 0 else b"\0" + _chunk(b"LIST", info))
        size = file.tell() - RIFF_SIZE_AT - 4
        file.seek(RIFF_SIZE_AT)
        file.write(struct.pack("<I", size))


def _chunk(name: bytes, content: bytes) -> bytes:
    """Chunks begin at even places; the padding is not counted in their size."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
