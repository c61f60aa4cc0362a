"""The engine from inside: how long steps take, and what newcomers cost the others."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks.random_musicgen import CARD
from benchmarks.streams import table
from server.errors import ContinuoError
from server.events import ModelEvent
from server.generation import Recording
from server.models.base import Resources
from server.models.failures import is_out_of_memory
from server.models.musicgen.backend import Backend
from server.models.musicgen.build import backend_for
from server.models.musicgen.checkpoint.loading import Checkpoint, load
from server.models.musicgen.devices import Precision, companion_dtype
from server.models.musicgen.engine import Engine, Words
from server.models.musicgen.failures import explain
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Performance, Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.studio import Studio
from server.models.musicgen.wish import Sampling, Wish

CPU = torch.device("cpu")
POSITIONS = (0, 750)
BATCHES = (1, 4, 8)
NUM_STEPS = 10
NUM_ROUNDS = 3
#: How long after somebody's coming the others' steps are watched.
WATCHED_SECONDS = 1.0
FIRST_FRAMES = 8
WISH = Wish("slow warm jazz", 1500, 1500, 900, 1, Sampling(), 3.0)
RECORDED = replace(WISH, prompt="a recording")


class Diary:
    """Takes the events of a request, as its outbox would."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def post(self, event: ModelEvent) -> None: ...

    def close(self, error: ContinuoError | None = None) -> None:
        self.closed.set()


class Timed(Runner):
    """Notes when its steps ended."""

    times: list[float]

    def decode_step(self, performances: Sequence[Performance]) -> int:
        num_tokens = super().decode_step(performances)
        self.times.append(time.perf_counter())
        return num_tokens


def measure_steps(folder: Path, precision: Precision) -> None:
    """Print the table of decode steps, without sampling and codec."""
    backend = backend_for(read(folder).language_model, CPU, precision)
    rows = [
        [str(num), *(f"{milliseconds_a_step(backend, num, at):.0f}" for at in POSITIONS)]
        for num in BATCHES
    ]
    header = ["requests", *(f"position {position}" for position in POSITIONS)]
    table(f"A decode step, {precision}, milliseconds", header, rows)


@torch.inference_mode()
def milliseconds_a_step(backend: Backend[Any, Any], num_requests: int, position: int) -> float:
    """Of requests that have read `position` columns of noise."""
    text = backend.remember_text(torch.randn(12, 768))
    memories = [backend.reserve(position + 1) for _ in range(num_requests)]
    for memory in memories:
        backend.extend(torch.randint(CARD, (4, position)), 0, memory, text)
    tokens = torch.randint(CARD, (num_requests, 4))
    times = []
    for _ in range(NUM_STEPS + 1):
        begun = time.perf_counter()
        backend.decode_step(tokens, [position] * num_requests, memories, [text] * num_requests)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[1:])


def measure_newcomers(folder: Path, precision: Precision) -> None:
    """Print what those who play notice of others, and where the codec is better off."""
    checkpoint = read(folder)
    backend = backend_for(checkpoint.language_model, CPU, precision)
    opening = torch.randint(CARD, (4, 150)).numpy()
    newcomers = {
        "nobody": None,
        "a new prompt of 3 words": replace(WISH, prompt="a new prompt"),
        "a new prompt of 400 words": replace(WISH, prompt="a new prompt, " * 133),
        "150 frames to continue": replace(WISH, opening=opening, num_frames=1650),
        "a recording of 3 s to continue": RECORDED,
    }
    with engine_over(checkpoint, backend, precision, own_thread=False) as engine:
        notice(engine, None)  # what is set up on first use
        rows = [[name, *noticed(engine, wish)] for name, wish in newcomers.items()]
    table(
        f"Between two steps of 3 requests while another joins, {precision}, milliseconds",
        ["who joins", "median before", "longest after", "in steps", "in steps, each time",
         "and with its sound: in steps", "each time"],
        rows,
    )  # fmt: skip
    rows = [
        [name, f"{seconds_for_four(checkpoint, backend, precision, own_thread):.1f}"]
        for name, own_thread in (("in turn", False), ("a thread of its own", True))
    ]
    table("4 requests of 1 s, by where the codec runs", ["codec", "seconds"], rows)


def noticed(engine: Engine, newcomer: Wish | None) -> list[str]:
    """Medians of `NUM_ROUNDS`, each with other words, so that nothing is remembered."""
    silent, sounding = (
        [notice(engine, in_other_words(newcomer, number), frames) for number in range(NUM_ROUNDS)]
        for frames in (WISH.num_frames, FIRST_FRAMES)
    )
    usual, longest = (1000 * statistics.median(each) for each in zip(*silent, strict=True))
    return [f"{usual:.0f}", f"{longest:.0f}", *in_steps(silent), *in_steps(sounding)]


def in_other_words(wish: Wish | None, number: int) -> Wish | None:
    return wish and replace(wish, prompt=f"{wish.prompt} {number}")


def in_steps(found: list[tuple[float, float]]) -> list[str]:
    """The median of how many usual intervals the longest was, and each."""
    ratios = [longest / usual for usual, longest in found]
    return [f"{statistics.median(ratios):.1f}", ", ".join(f"{ratio:.1f}" for ratio in ratios)]


def notice(
    engine: Engine, newcomer: Wish | None, first_frames: int = FIRST_FRAMES
) -> tuple[float, float]:
    """The intervals between the steps of those who run, seconds: usual before, longest after.

    Those who run have no sound decoded meanwhile, and the newcomer none before `first_frames`: what
    is seen is the newcomer's doing.
    """
    runner = cast("Timed", engine._runner)
    runner.times, runner._first_chunk_frames = [], WISH.num_frames
    playing = [begin(engine, replace(WISH, seed=seed)) for seed in range(3)]
    until(lambda: len(runner.times) > 40)
    runner._first_chunk_frames = first_frames
    joined_at = time.perf_counter()
    joining = [] if newcomer is None else [begin(engine, heard(engine, newcomer))]
    until(lambda: runner.times[-1] > joined_at + WATCHED_SECONDS)
    times = runner.times[10:]
    for generation, diary in (*playing, *joining):
        engine.cancel(generation)
        diary.closed.wait()
    runner._texts._long.submit(int).result()  # a long text is read to its end, and seen no more
    gaps = [(later, later - earlier) for earlier, later in pairwise(times)]
    usual = statistics.median(gap for at, gap in gaps if at < joined_at)
    return usual, max(gap for at, gap in gaps if at > joined_at)


def heard(engine: Engine, wish: Wish) -> Wish:
    """`wish`, whose recording has been read, if it is the one that has one."""
    if not wish.prompt.startswith(RECORDED.prompt):
        return wish
    noise = np.random.default_rng(1).standard_normal((1, 96_000), np.float32) / 10
    reading = engine._runner.listener.opening(Recording(noise, 32_000), 600)
    return replace(wish, opening=reading.result().codes, num_frames=1650)


def seconds_for_four(
    checkpoint: Checkpoint, backend: Backend[Any, Any], precision: Precision, own_thread: bool
) -> float:
    with engine_over(checkpoint, backend, precision, own_thread) as engine:
        begun = time.perf_counter()
        for _, diary in [begin(engine, replace(WISH, num_frames=50, seed=s)) for s in range(4)]:
            diary.closed.wait()
        return time.perf_counter() - begun


@contextmanager
def engine_over(
    checkpoint: Checkpoint, backend: Backend[Any, Any], precision: Precision, own_thread: bool
) -> Iterator[Engine]:
    def build() -> Runner:
        runner = Timed(checkpoint, backend, CPU, companion_dtype(precision, CPU), 0.16)
        runner.times = []
        runner.studio = Studio(checkpoint.codec, own_thread, runner.news)
        runner.capacity = Resources(4, 2**40)
        return runner

    engine = Engine("bench", build, Words(explain, is_out_of_memory))
    engine.ready.result()
    yield engine
    engine.close()


def begin(engine: Engine, wish: Wish) -> tuple[Generation, Diary]:
    diary = Diary()
    return engine.submit(wish, Resources(), cast("Outbox", diary)), diary


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


def read(folder: Path) -> Checkpoint:
    return load(folder, no_other)


def no_other(name: str) -> Path:
    raise AssertionError(f"the checkpoint is whole, and {name} is asked for")
