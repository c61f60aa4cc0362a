"""A completed job's sound becomes files that say what they are."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from server import __version__
from server.audio import formats
from server.audio.tags import Tags, write_tags
from server.events import AudioChunk, Document, Samples, Warning
from server.service.jobs import Job
from server.stores.event_file import stem_name, take_name, write_events
from server.stores.output_store import OutputStore
from server.stores.stored_job import StoredJob, request_to_json

SOFTWARE = f"Continuo {__version__}"


def keep(outputs: OutputStore, stored: StoredJob, job: Job) -> list[str]:
    """Write everything that `job` made; the names of the files. Blocking."""

    def fill(folder: Path) -> None:
        for take in sorted({event.take for event in job.log if isinstance(event, AudioChunk)}):
            _write_take(folder, take, stored, job)
        for document in (event for event in job.log if isinstance(event, Document)):
            (folder / take_name(0, document.format)).write_bytes(document.content)
        write_events(folder, job.log)

    return outputs.keep(stored.id, metadata(stored), fill)


def convert(source: Path, target: Path, format: str, stored: StoredJob) -> None:
    """Write the WAV at `source` in another format, tagged. Blocking."""
    with target.open("w+b") as file:
        sound = formats.read(source)
        formats.write(file, sound, stored.sample_rate, stored.channels, format)
    write_tags(target, format, tags(stored))


def warnings(job: Job) -> tuple[Warning, ...]:
    """What its listeners were warned of."""
    return tuple(event for event in job.log if isinstance(event, Warning))


def tags(stored: StoredJob) -> Tags:
    """What the job's files say of themselves."""
    seed = stored.request.drawn_seed
    day = datetime.fromtimestamp(stored.created_at, timezone.utc).strftime("%Y-%m-%d")
    return Tags(stored.request.prompt, stored.model, f"seed {seed}", SOFTWARE, day)


def metadata(stored: StoredJob) -> str:
    """A job in lines for people, `name: value`, each value as JSON has it."""
    lines = {
        "id": stored.id,
        "dialect": stored.dialect,
        "software": SOFTWARE,
        "submitted": _moment(stored.created_at),
        "made": _moment(time.time()),
        **request_to_json(stored.request),
    }
    return "".join(f"{k}: {json.dumps(v, ensure_ascii=False)}\n" for k, v in lines.items())


def _moment(seconds_since_1970: float) -> str:
    return datetime.fromtimestamp(seconds_since_1970, timezone.utc).isoformat(timespec="seconds")


def _write_take(folder: Path, take: int, stored: StoredJob, job: Job) -> None:
    chunks = job.log.chunks(take)
    whole = (chunk.samples for chunk in chunks)
    _write_wav(folder / take_name(take, "wav"), whole, stored)
    for stem in chunks[0].stems:
        part = (chunk.stems[stem] for chunk in chunks)
        _write_wav(folder / stem_name(take, stem), part, stored)


def _write_wav(path: Path, sound: Iterable[Samples], stored: StoredJob) -> None:
    with path.open("w+b") as file:
        formats.write(file, sound, stored.sample_rate, stored.channels, "wav")
    write_tags(path, "wav", tags(stored))
