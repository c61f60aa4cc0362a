"""Streams at once through the real engine: how fast each goes on, and how soon it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.gpu.device import Device
from benchmarks.gpu.listening import Diary, play
from benchmarks.gpu.loaded import FIRST_AUDIO_SECONDS, wish_for
from server.models.base import NO_RESOURCES, Resources
from server.models.musicgen.engine import Engine
from server.models.musicgen.runner import Runner
from server.models.musicgen.wish import Wish

#: Of music that nobody measures, so that what is set up on first use is.
REHEARSAL_SECONDS = 1
PROMPTS = ("slow warm jazz", "rock music with bright arpeggio", "rain", "lofi for a long night")
HEADER = [
    *("shape", "streams", "steps a second, slowest", "median"),
    *("first sound ms, median", "latest", "real-time factor", "peak of device memory"),
]
NOTE = f"""\
Through the engine, with text encoder and codec, each with words of its own. Steps a second: of each
stream while all of them play. First sound: {FIRST_AUDIO_SECONDS:g} s of music, from the request to
the event loop. Real-time factor: the worst stream's time from its request to its last sound, to the
length of its music."""


@dataclass(frozen=True)
class Concert:
    """Streams that played at once; see `NOTE`."""

    steps_per_second: Sequence[float]
    first_sound_seconds: Sequence[float]
    realtime_factor: float
    peak: str

    @property
    def slowest(self) -> float:
        return min(self.steps_per_second)

    @property
    def latest(self) -> float:
        return max(self.first_sound_seconds)

    @property
    def cells(self) -> list[str]:
        return [
            f"{self.slowest:.1f}",
            f"{median(self.steps_per_second):.1f}",
            f"{1000 * median(self.first_sound_seconds):.0f}",
            f"{1000 * self.latest:.0f}",
            f"{self.realtime_factor:.2f}",
            self.peak,
        ]


def concert_of(diaries: Sequence[Diary], music_seconds: float, peak: str) -> Concert:
    """Raises `ValueError` if they never played all at once."""
    begin = max(diary.steps[0] for diary in diaries)
    end = min(diary.steps[-1] for diary in diaries)
    if end <= begin:
        raise ValueError("the first ended before the last had begun; ask for longer music")
    return Concert(
        [sum(begin < at <= end for at in diary.steps) / (end - begin) for diary in diaries],
        [diary.sounds[0] - diary.asked for diary in diaries],
        max(diary.sounds[-1] - diary.asked for diary in diaries) / music_seconds,
        peak,
    )


def measure_streams(
    engine: Engine,
    runner: Runner,
    device: Device,
    num_streams: int,
    music_seconds: int,
    joining_seconds: float,
    most_seconds: float,
) -> Concert:
    """`num_streams` at once, after as many short ones that do not count.

    Raises `MemoryError` if there is no room for them, and what `play` raises.
    """
    rehearsed = wishes(runner, "rehearsal of ", num_streams, REHEARSAL_SECONDS)
    play(engine, rehearsed, 0.0, most_seconds)
    device.forget_peak()
    asked = wishes(runner, "", num_streams, music_seconds)
    if not sum((cost for _, cost in asked), NO_RESOURCES).fit(runner.capacity):
        raise MemoryError(f"{num_streams} streams do not fit into {runner.capacity}")
    diaries = play(engine, asked, joining_seconds, most_seconds)
    return concert_of(diaries, music_seconds, device.peak())


def wishes(
    runner: Runner, beginning: str, num_streams: int, music_seconds: int
) -> list[tuple[Wish, Resources]]:
    """Each with words of its own, which have to be read, and what it costs."""
    num_frames = music_seconds * runner.config.codec.frame_rate
    asked = [
        wish_for(runner.config, f"{beginning}{PROMPTS[i % len(PROMPTS)]} {i}", num_frames, i)
        for i in range(num_streams)
    ]
    return [(wish, Resources(1, runner.num_bytes(wish))) for wish in asked]
