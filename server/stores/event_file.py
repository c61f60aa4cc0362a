"""A finished job's events in a file, one JSON object a line; their sound is in the takes beside it.

So a listener that comes back, even after a restart, is told all that it missed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from server.audio import formats
from server.events import (
    AudioChunk,
    Cancelled,
    Completed,
    Document,
    Event,
    Failed,
    Pace,
    Progress,
    Queued,
    Started,
    Warning,
)

NAME = ".events.jsonl"
KINDS = {kind.__name__: kind for kind in (Started, Progress, Warning)}


def take_name(take: int, format: str) -> str:
    """The file of a take."""
    return f"take-{take}.{format}"


def stem_name(take: int, stem: str) -> str:
    """The file of a part of a take."""
    return take_name(take, f"{stem}.wav")


def parts_of(name: str) -> tuple[int, str | None, str]:
    """The take, the stem or None, and the format of a file so named."""
    stem, _, format = name.rpartition(".")
    take, _, part = stem.removeprefix("take-").partition(".")
    return int(take), part or None, format


def write_events(folder: Path, events: Iterable[Event]) -> None:
    """Write `events`, whose line is their position. Blocking."""
    frames: Counter[int] = Counter()
    with (folder / NAME).open("w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(_to_json(event, frames)) + "\n")


def read_events(folder: Path, position: int) -> Iterator[tuple[int, Event]]:
    """The events from `position` on, each with its own; none if the job kept nothing.

    Blocking; reads no more than it yields.
    """
    if not (folder / NAME).exists():
        return
    with (folder / NAME).open(encoding="utf-8") as file:
        for place, line in enumerate(file):
            found = _from_json(json.loads(line), folder) if place >= position else None
            if found is not None:
                yield place, found


@dataclass(frozen=True)
class Summary:
    """What a file of events says of its job."""

    num_events: int
    is_completed: bool
    warnings: tuple[Warning, ...]


def summarize(folder: Path) -> Summary:
    """Without the sound. Blocking."""
    lines = (folder / NAME).read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    told = [event for event in events if event["kind"] == Warning.__name__]
    return Summary(
        num_events=len(events),
        is_completed=events[-1]["kind"] == Completed.__name__,
        warnings=tuple(Warning(event["code"], event["message"]) for event in told),
    )


def _to_json(event: Event, frames: Counter[int]) -> dict[str, Any]:
    """What is not told again (places in the queue, documents, the end) only keeps its position."""
    kind = type(event).__name__
    match event:
        case AudioChunk(samples, take):
            start = frames[take]
            frames[take] += samples.shape[1]
            told = {"take": take, "sequence": event.sequence, "pace": _pace(event.pace)}
            return {"kind": kind, **told, "start_frame": start, "num_frames": samples.shape[1]}
        case Queued() | Document() | Completed() | Failed() | Cancelled():
            return {"kind": kind}
        case _:
            return {"kind": kind, **asdict(event)}


def _from_json(fields: dict[str, Any], folder: Path) -> Event | None:
    kind = fields.pop("kind")
    if "pace" in fields:
        fields["pace"] = fields["pace"] and Pace(**fields["pace"])
    if kind in KINDS:
        event: Event = KINDS[kind](**fields)
        return event
    if kind != AudioChunk.__name__:
        return None
    path = folder / take_name(fields["take"], "wav")
    blocks = formats.read(path, fields.pop("start_frame"), fields.pop("num_frames"))
    return AudioChunk(np.concatenate(list(blocks), axis=1), **fields)


def _pace(pace: Pace | None) -> dict[str, Any] | None:
    return None if pace is None else asdict(pace)
