"""A completed job's sound becomes files that say what they are."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from server import __version__
from server.audio import formats
from server.audio.resampling import resampled, with_channels
from server.audio.tags import Tags, write_tags
from server.events import Warning
from server.service.finished import FinishedTake
from server.service.jobs import Job
from server.stores.event_file import stem_name, take_name, write_events
from server.stores.output_store import OutputStore
from server.stores.stored_job import StoredJob, request_to_json

SOFTWARE = f"Continuo {__version__}"


def keep(outputs: OutputStore, stored: StoredJob, job: Job) -> list[str]:
    """Write everything that `job` made, of takes that have any sound; the names of the files.

    Blocking.
    """
    stored = replace(stored, sample_rate=job.info.sample_rate, channels=job.info.channels)

    def fill(folder: Path) -> None:
        for number in range(job.request.num_takes):
            if job.log.chunks(number):
                _write_take(folder, number, stored, FinishedTake(job, number))
        write_events(folder, job.log)

    return outputs.keep(stored.id, metadata(stored), fill)


def convert(source: Path, target: Path, format: str, stored: StoredJob, take: int) -> None:
    """Write the WAV of a take at `source` in another format, tagged. Blocking."""
    sound = formats.read(source)
    formats.write(target, sound, stored.sample_rate, stored.channels, format)
    write_tags(target, format, tags(stored, take))


def convert_to_stereo(source: Path, target: Path, sample_rate: int, stored: StoredJob) -> None:
    """Write the WAV of the first take as one of two channels at `sample_rate`, tagged. Blocking."""
    whole = np.concatenate(list(formats.read(source)), axis=1)
    sound = with_channels(resampled(whole, stored.sample_rate, sample_rate), 2)
    formats.write(target, [sound], sample_rate, 2, "wav")
    write_tags(target, "wav", tags(stored, 0))


def warnings(job: Job) -> tuple[Warning, ...]:
    """What its listeners were warned of."""
    return tuple(event for event in job.log if isinstance(event, Warning))


def tags(stored: StoredJob, take: int) -> Tags:
    """What the files of a take say of themselves."""
    seed = stored.request.take(take).drawn_seed
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


def _write_take(folder: Path, number: int, stored: StoredJob, take: FinishedTake) -> None:
    sounds = {take_name(number, "wav"): take.sound()}
    sounds |= {stem_name(number, stem): take.stem(stem) for stem in take.stem_names}
    for name, sound in sounds.items():
        formats.write(folder / name, sound, stored.sample_rate, stored.channels, "wav")
        write_tags(folder / name, "wav", tags(stored, number))
    for format, document in take.documents.items():
        (folder / take_name(number, format)).write_bytes(document)
