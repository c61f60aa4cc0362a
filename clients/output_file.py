"""Where the music is saved: a name of its own under `output/`, or where the caller says."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from clients.errors import BadRequest
from clients.events import Take
from clients.request import Fields, Format

OUTPUT_DIR = Path("output")
FORMATS: dict[str, Format] = {
    ".wav": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".mp3": "mp3",
    ".mid": "midi",
}
EXTENSIONS = {file_format: extension for extension, file_format in FORMATS.items()}
DEFAULT_FORMAT: Format = "wav"
MAX_NAME_BYTES = 80  # file systems allow 255; seed, number and extension come on top
MAX_SAME_NAMES = 10_000


class OutputFile:
    """Where one piece of music goes.

    `out` is a file, which is replaced, or a directory (it is there, or its name ends in `/`), where
    a new name is found that no file has: `lofi-with-rain-42.wav`, then `lofi-with-rain-42-2.wav`.
    None stands for `output/`. Missing directories are made at once, so that a wrong path fails
    before the music is made.

    Raises OSError if that directory cannot be made.
    """

    def __init__(self, out: str | Path | None, description: str, file_format: Format) -> None:
        path = OUTPUT_DIR if out is None else Path(out)
        self._description = description
        self._extension = EXTENSIONS[file_format]
        self._is_directory = out is None or path.is_dir() or str(out).endswith(("/", os.sep))
        self._path = path
        (path if self._is_directory else path.parent).mkdir(parents=True, exist_ok=True)

    def save(self, audio: bytes, seed: int | None) -> Path:
        """Write the file; the path it got. Raises OSError if that fails."""
        if not self._is_directory:
            self._path.write_bytes(audio)
            return self._path
        stem = slug(self._description) + ("" if seed is None else f"-{seed}")
        path, file = _create_new(self._path, stem, self._extension)
        with file:
            file.write(audio)
        return path


def prepare_output(
    description: str, out: str | Path | None, fields: Fields
) -> tuple[Fields, OutputFile]:
    """The fields to send, with the format that `out` implies, and where the music goes.

    Raises BadRequest when `out` and the format asked for contradict each other, and OSError when
    the directory cannot be made.
    """
    file_format = choose_format(out, fields)
    if file_format != DEFAULT_FORMAT:
        fields = {**fields, "format": file_format}
    return fields, OutputFile(out, description, file_format)


def choose_format(out: str | Path | None, fields: Fields) -> Format:
    """The format to expect: the one asked for, else what the extension of `out` says, else WAV.

    Raises BadRequest when `out` and the format asked for contradict each other.
    """
    asked = fields.get("format")
    named = None if out is None else FORMATS.get(Path(out).suffix.lower())
    if asked and named and asked != named:
        raise BadRequest(f"{out} is no name for a {asked} file: change one of them", "format")
    return asked or named or DEFAULT_FORMAT


def save_takes(path: Path, takes: Sequence[Take]) -> list[Path]:
    """Write the takes after the first beside `path`: `song.wav` gets `song-take-2.wav`."""
    saved = []
    for number, take in enumerate(takes, start=2):
        saved.append(path.with_name(f"{path.stem}-take-{number}{path.suffix}"))
        saved[-1].write_bytes(take.audio)
        save_stems(saved[-1], take.stems)
    return saved


def save_stems(path: Path, stems: Mapping[str, bytes]) -> dict[str, Path]:
    """Write each stem beside `path`: `song.wav` gets `song-drums.wav`. A score's are WAV."""
    extension = EXTENSIONS["wav"] if path.suffix == EXTENSIONS["midi"] else path.suffix
    saved = {}
    for name, audio in stems.items():
        saved[name] = path.with_name(f"{path.stem}-{slug(name)}{extension}")
        saved[name].write_bytes(audio)
    return saved


def slug(description: str) -> str:
    """A description as a readable file name: letters and digits of any script, joined by `-`."""
    letters = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", description).lower())
    cut = letters.strip("-").encode("utf-8", errors="ignore")[:MAX_NAME_BYTES]
    return cut.decode("utf-8", errors="ignore").strip("-") or "music"


def _create_new(directory: Path, stem: str, extension: str) -> tuple[Path, BinaryIO]:
    """Open the first free name; two processes at once never get the same one."""
    for number in range(1, MAX_SAME_NAMES):
        path = directory / f"{stem}{f'-{number}' if number > 1 else ''}{extension}"
        try:
            return path, path.open("xb")
        except FileExistsError:
            continue
    raise FileExistsError(f"{directory} has {MAX_SAME_NAMES} files named {stem}{extension} already")
