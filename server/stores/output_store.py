"""The files of jobs: `<id>/input/`, `<id>/output/` and `<id>/metadata.txt` in one folder.

Whatever is there under its own name is whole: files are written beside their place, brought to
the disk, and renamed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from server.stores.lock import InUse, Lock, UnusableStore

INPUT, OUTPUT = "input", "output"
METADATA = "metadata.txt"
#: Ends the names of what is not whole yet, or not for long any more.
PARTIAL = ".partial"
JOB_ID = re.compile(r"[0-9a-f]{32}")


class OutputStore:
    """The folder of all jobs' files. Everything here blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: Lock | None = None

    def open(self) -> None:
        """Take the folder for this server. Raises `UnusableStore`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self._folder / ".lock")
            for depth in ("", "*/", f"*/{OUTPUT}/"):
                for leftover in self._folder.glob(f"{depth}*{PARTIAL}"):
                    _remove(leftover)
        except (OSError, InUse) as error:
            reason = getattr(error, "strerror", None) or error
            raise UnusableStore(f"OUTPUT_DIR={self._folder} cannot be used: {reason}") from None

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def keep(self, id: str, metadata: str, fill: Callable[[Path], None]) -> list[str]:
        """Let `fill` write the job's outputs into a folder; the names of the files, once all of
        them are on the disk. They appear at one stroke."""
        job = self._folder / id
        job.mkdir(exist_ok=True)
        _write(job / METADATA, metadata)
        self._fill(job / OUTPUT, fill)
        return self.names(id)

    def keep_inputs(self, id: str, fill: Callable[[Path], None]) -> None:
        """The same for what came with the request."""
        (self._folder / id).mkdir()
        self._fill(self.inputs(id), fill)

    def inputs(self, id: str) -> Path:
        """The folder of what came with the request; it may not be there."""
        return self._folder / id / INPUT

    def _fill(self, place: Path, fill: Callable[[Path], None]) -> None:
        folder = place.with_name(place.name + PARTIAL)
        _remove(folder)
        folder.mkdir()
        fill(folder)
        for file in folder.iterdir():
            _sync(file)
        _sync(folder)
        _remove(place)
        folder.rename(place)
        _sync(place.parent)
        _sync(self._folder)

    def outputs(self, id: str) -> Path:
        """The folder of a job's finished files; it may not be there."""
        return self._folder / id / OUTPUT

    def names(self, id: str) -> list[str]:
        """The job's finished files, the hidden ones aside; none while it has not been kept."""
        folder = self.outputs(id)
        files = folder.iterdir() if folder.is_dir() else ()
        return sorted(file.name for file in files if not _is_internal(file.name))

    def derive(self, id: str, name: str, make: Callable[[Path], None]) -> Path:
        """The job's file `name`, which `make` writes if it is not there yet."""
        path = self.outputs(id) / name
        if not path.exists():
            beside = path.with_name(name + PARTIAL)
            make(beside)
            _sync(beside)
            beside.rename(path)
        return path

    def remove(self, id: str) -> None:
        """Delete all of the job's files, at one stroke for who looks for them."""
        going = self._folder / (id + PARTIAL)
        try:
            (self._folder / id).rename(going)
        except FileNotFoundError:
            return
        _remove(going)

    def sizes(self) -> dict[str, int]:
        """Job id → bytes of its files."""
        return {job.name: _size_bytes(job) for job in self._jobs()}

    def older_than(self, seconds_since_1970: float) -> list[str]:
        """The ids of jobs whose folder has not changed since then."""
        return [job.name for job in self._jobs() if job.stat().st_mtime < seconds_since_1970]

    def _jobs(self) -> Iterable[Path]:
        return (job for job in self._folder.iterdir() if JOB_ID.fullmatch(job.name))


def _is_internal(name: str) -> bool:
    return name.startswith(".") or name.endswith(PARTIAL)


def _write(path: Path, text: str) -> None:
    beside = path.with_name(path.name + PARTIAL)
    beside.write_text(text, encoding="utf-8")
    _sync(beside)
    beside.rename(path)


def _sync(path: Path) -> None:
    """Wait until it is on the disk: of a file its content, of a folder its names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
