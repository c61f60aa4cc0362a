from __future__ import annotations

import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from server.audio.formats import FORMATS, write
from server.audio.tags import Tags, write_tags
from tests.fakes import SAMPLE_RATE, tone

#: Longer than libsndfile's own limit, and beyond Latin-1.
TAGS = Tags("lofi – 雨 " + "x" * 9_000, "sketch", "seed 7", "Continuo 1", "2026-01-31")


def info_of(wav: bytes) -> dict[str, str]:
    """The RIFF INFO list, read by the format's own rules; every chunk must be where it says."""
    riff, size, kind = struct.unpack("<4sI4s", wav[:12])
    assert (riff, size, kind) == (b"RIFF", len(wav) - 8, b"WAVE")
    found, place = {}, 12
    while place < len(wav):
        name, length = struct.unpack("<4sI", wav[place : place + 8])
        content = wav[place + 8 : place + 8 + length]
        if name == b"LIST":
            assert content[:4] == b"INFO"
            wav, place = content, 4
            continue
        if name.startswith(b"I"):
            found[name.decode()] = content.rstrip(b"\0").decode()
        place += 8 + length + length % 2
    return found


def told(path: Path, format: str) -> list[str]:
    """Title, artist, comment, software and date, as another program reads them."""
    if format == "wav":
        info = info_of(path.read_bytes())
        return [info[name] for name in ("INAM", "IART", "ICMT", "ISFT", "ICRD")]
    tags = mutagen.File(path).tags
    if format == "mp3":
        names = ("TIT2", "TPE1", "COMM::eng", "TSSE", "TDRC")
        return [str(tags.get(name, "")) for name in names]
    return [tags[name][0] for name in ("title", "artist", "comment", "software", "date")]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("title", ["rain", "odd", TAGS.title, ""])
def test_every_format_carries_what_it_is_and_the_same_sound(
    tmp_path: Path, format: str, title: str
) -> None:
    path = tmp_path / "song"
    with path.open("w+b") as file:
        write(file, [tone(1, 0)], SAMPLE_RATE, 2, format)
    before, _ = soundfile.read(path, dtype="int16")
    tags = Tags(title, *list(vars(TAGS).values())[1:])
    write_tags(path, format, tags)
    assert told(path, format) == list(vars(tags).values())
    after, _ = soundfile.read(path, dtype="int16")
    assert np.array_equal(after, before)


def test_the_sound_of_a_tagged_wav_begins_at_byte_44(tmp_path: Path) -> None:
    """Where readers that know no chunks expect it."""
    path = tmp_path / "song.wav"
    with path.open("w+b") as file:
        write(file, [tone(1, 0)], SAMPLE_RATE, 2, "wav")
    plain = path.read_bytes()
    write_tags(path, "wav", TAGS)
    assert path.read_bytes()[36 : len(plain)] == plain[36:]
    assert plain[36:40] == b"data"
