"""The engine from inside: how long steps take, and what newcomers cost the others."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch

from benchmarks.random_musicgen import CARD
from benchmarks.streams import table
from server.errors import ContinuoError
from server.events import ModelEvent, Progress
from server.models.base import Resources
from server.models.failures import is_out_of_memory
from server.models.musicgen.checkpoint.loading import Checkpoint, load
from server.models.musicgen.engine import Engine, Words
from server.models.musicgen.failures import explain
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.studio import Studio
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Sampling, Wish

CPU = torch.device("cpu")
POSITIONS = (0, 750, 1500)
BATCHES = (1, 2, 4, 8)
NUM_STEPS = 4
WISH = Wish("slow warm jazz", 1500, 1500, 900, 1, Sampling(), 3.0)


class Diary:
    """Takes the events of a request, as its outbox would, and notes when they came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.closed = threading.Event()

    def post(self, event: ModelEvent) -> None:
        if isinstance(event, Progress):
            self.times.append(time.perf_counter())

    def close(self, error: ContinuoError | None = None) -> None:
        self.closed.set()


def measure_steps(folder: Path) -> None:
    """Print the table of decode steps, without sampling and codec."""
    model = in_float32(folder).language_model
    rows = [
        [str(num), *(f"{milliseconds_a_step(model, num, at):.0f}" for at in POSITIONS)]
        for num in BATCHES
    ]
    header = ["requests", *(f"position {position}" for position in POSITIONS)]
    table("A decode step, float32, milliseconds", header, rows)


@torch.inference_mode()
def milliseconds_a_step(model: LanguageModel, num_requests: int, position: int) -> float:
    memories = [model.reserve(position + 1) for _ in range(num_requests)]
    for memory in memories:
        for tensor in (*memory._keys, *memory._values):
            tensor.normal_()
    texts = [model.remember_text(torch.randn(12, 768)) for _ in range(num_requests)]
    tokens = torch.randint(CARD, (num_requests, 4))
    times = []
    for _ in range(NUM_STEPS + 1):
        begun = time.perf_counter()
        model.decode_step(tokens, [position] * num_requests, memories, texts)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[1:])


def measure_newcomers(folder: Path) -> None:
    """Print what those who play notice of others, and where the codec is better off."""
    checkpoint = in_float32(folder)
    opening = torch.randint(CARD, (4, 150))
    newcomers = {
        "nobody": None,
        "a new prompt of 3 words": replace(WISH, prompt="a new prompt"),
        "a new prompt of 400 words": replace(WISH, prompt="a new prompt, " * 133),
        "150 frames to continue": replace(WISH, opening=opening),
    }
    with engine_over(checkpoint, own_thread=False) as engine:
        rows = [[name, *notice(engine, wish)] for name, wish in newcomers.items()]
    table(
        "Between two steps of 3 requests while another joins, milliseconds",
        ["who joins", "median before", "longest after", "longest, in steps"],
        rows,
    )
    rows = [
        [name, f"{seconds_for_four(checkpoint, own_thread):.1f}"]
        for name, own_thread in (("in turn", False), ("a thread of its own", True))
    ]
    table("4 requests of 1 s, by where the codec runs", ["codec", "seconds"], rows)


def notice(engine: Engine, newcomer: Wish | None) -> list[str]:
    """The intervals between the steps of those who run."""
    playing = [begin(engine, replace(WISH, seed=seed)) for seed in range(3)]
    until(lambda: all(len(diary.times) > 12 for _, diary in playing))
    joined_at = time.perf_counter()
    joining = [] if newcomer is None else [begin(engine, newcomer)]
    until(lambda: all(len(diary.times) > 30 for _, diary in playing))
    times = playing[0][1].times
    for generation, diary in (*playing, *joining):
        engine.cancel(generation)
        diary.closed.wait()
    gaps = [(later, later - earlier) for earlier, later in pairwise(times)]
    usual = statistics.median(gap for at, gap in gaps[3:] if at < joined_at)
    longest = max(gap for at, gap in gaps if at > joined_at)
    return [f"{usual * 1000:.0f}", f"{longest * 1000:.0f}", f"{longest / usual:.1f}"]


def seconds_for_four(checkpoint: Checkpoint, own_thread: bool) -> float:
    with engine_over(checkpoint, own_thread) as engine:
        begun = time.perf_counter()
        for _, diary in [begin(engine, replace(WISH, num_frames=50, seed=s)) for s in range(4)]:
            diary.closed.wait()
        return time.perf_counter() - begun


@contextmanager
def engine_over(checkpoint: Checkpoint, own_thread: bool) -> Iterator[Engine]:
    def build() -> Runner:
        runner = Runner(checkpoint, checkpoint.language_model, CPU, torch.float32, 0.16)
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


def in_float32(folder: Path) -> Checkpoint:
    """Computed by torch."""
    checkpoint = load(folder, no_other)
    checkpoint.language_model.place(CPU, torch.float32)
    return checkpoint


def no_other(name: str) -> Path:
    raise AssertionError(f"the checkpoint is whole, and {name} is asked for")
