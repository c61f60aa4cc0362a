from __future__ import annotations

from pathlib import Path

import numpy as np

from server.audio import formats
from server.audio.waveform import to_pcm16
from server.errors import ContinuoError
from server.events import (
    AudioChunk,
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
from server.stores.event_file import (
    Summary,
    parts_of,
    read_events,
    stem_name,
    summarize,
    take_name,
    write_events,
)
from tests.fakes import SAMPLE_RATE, tone

PACE = Pace(0.5, 1.25)
EVENTS: list[Event] = [
    Queued(1),
    Started("fake", 7, SAMPLE_RATE, 2, 3, {"bpm": 84}),
    AudioChunk(tone(1, 0), take=0, sequence=0, pace=PACE),
    AudioChunk(tone(2, 0)[:, :100], take=1, sequence=0, pace=PACE),
    Progress(50.0, PACE),
    Warning("w", "careful"),
    AudioChunk(tone(1, 1)[:, :333], take=0, sequence=1, pace=PACE),
    Document("midi", b"MThd"),
    AudioChunk(tone(1, 2), take=0, sequence=2, pace=None),
    Completed(),
]


def written(folder: Path) -> None:
    for take in (0, 1):
        sound = [e.samples for e in EVENTS if isinstance(e, AudioChunk) and e.take == take]
        with (folder / take_name(take, "wav")).open("w+b") as file:
            formats.write(file, sound, SAMPLE_RATE, 2, "wav")
    write_events(folder, EVENTS)


def test_every_event_that_is_told_again_comes_back_with_its_sound(tmp_path: Path) -> None:
    written(tmp_path)
    for start in range(len(EVENTS) + 2):
        told = list(read_events(tmp_path, start))
        assert [place for place, _ in told] == [p for p in (1, 2, 3, 4, 5, 6, 8) if p >= start]
        for place, event in told:
            same(event, EVENTS[place])


def same(event: Event, original: Event) -> None:
    if isinstance(original, AudioChunk):
        assert isinstance(event, AudioChunk)
        assert np.array_equal(to_pcm16(event.samples), to_pcm16(original.samples))
        assert (event.take, event.sequence) == (original.take, original.sequence)
        assert event.pace == original.pace
    else:
        assert event == original


def test_it_is_counted_without_its_sound(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / take_name(0, "wav")).unlink()
    assert summarize(tmp_path) == Summary(len(EVENTS), True, (Warning("w", "careful"),))
    write_events(tmp_path, [*EVENTS[:-1], Failed(ContinuoError("no"))])
    assert not summarize(tmp_path).is_completed


def test_a_job_that_kept_nothing_tells_nothing(tmp_path: Path) -> None:
    assert list(read_events(tmp_path, 0)) == []


def test_every_16_bit_value_survives() -> None:
    values = np.arange(-32767, 32768, dtype=np.int16)
    as_read = (values[None] / np.float32(32767)).astype(np.float32)
    assert np.array_equal(to_pcm16(as_read)[:, 0], values)


def test_names_of_files() -> None:
    assert parts_of(take_name(3, "wav")) == (3, None, "wav")
    assert parts_of(stem_name(0, "drums")) == (0, "drums", "wav")
    assert parts_of("take-12.midi") == (12, None, "midi")
