"""A tiny engine for tests: it counts its steps, and fails when told to."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from server.events import ModelEvent
from server.models.base import Resources
from server.models.failures import is_out_of_memory
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.engine import Engine, Words
from server.models.musicgen.failures import explain
from server.models.musicgen.outbox import Outbox
from server.models.musicgen.runner import Performance, Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.studio import Studio
from server.models.musicgen.texts import Text, Texts
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.references import perform, runner
from tests.models.musicgen.replay import Recorded

SLOTS = 3
WISH = Wish("slow", 30, 1500, 900, 1, Sampling(top_k=20), 3.0)
OTHERS = [
    replace(WISH, prompt="rock music with bright arpeggio", num_frames=22, seed=2),
    replace(WISH, prompt="", num_frames=41, seed=3, guidance=1.5),
    replace(WISH, prompt="slow warm jazz", sampling=Sampling(1.2, 0, 0.8), seed=4),
    replace(WISH, num_frames=75, window_frames=40, stride_frames=25, seed=5),
]
#: Longer than its window: it reads ahead in its middle.
WINDOWED = OTHERS[-1]
ENDLESS = replace(WISH, num_frames=1500)
#: A piece was read ahead; sound was decoded.
READ, DECODED = 0, -1


class Fragile:
    """The codec, which fails when told to."""

    def __init__(self, watched: Watched, codec: Codec) -> None:
        self._watched = watched
        self._codec = codec
        self.quantizer = codec.quantizer

    def push(self, streams, codes, last: bool):
        if self._watched.num_steps > 5:
            self._watched.fail("codec")
        self._watched.num_decoded_together.append(len(streams))
        self._watched.log.append(DECODED)
        return self._codec.push(streams, codes, last)


class Fallible:
    """The texts, which fail when told to."""

    def __init__(self, watched: Watched, texts: Texts) -> None:
        self._watched = watched
        self._texts = texts
        self.close = texts.close
        self.num_bytes = texts.num_bytes
        self.num_tokens = texts.num_tokens

    def remember(self, prompt: str) -> Text:
        if prompt in self._watched.slow_texts:
            return self._watched.slow_texts[prompt]
        if "text" not in self._watched.failures:
            return self._texts.remember(prompt)
        failed: Text = Future()
        failed.set_exception(self._watched.failures.pop("text")())
        return failed


class Watched(Recorded):
    """Counts its steps, and fails when told to."""

    def __init__(self, runner: Runner, own_thread: bool = False) -> None:
        super().__init__(runner)
        self.capacity = Resources(SLOTS, 2**30)
        fragile = Fragile(self, self._codec)
        self._texts = Fallible(self, runner._texts)  # type: ignore[assignment]
        self.studio = Studio(fragile, own_thread, self.news)  # type: ignore[arg-type]
        self.num_steps = 0
        self.num_decoded_together: list[int] = []
        #: Prompts whose texts come when a test says so.
        self.slow_texts: dict[str, Text] = {}
        #: In order: the size of a step's batch, or what was done between two steps.
        self.log: list[int] = []
        self.failures: dict[str, Callable[[], Exception]] = {}
        self.performances: weakref.WeakSet[Performance] = weakref.WeakSet()
        self.at_step: Callable[[int], None] = lambda number: None

    @property
    def all_gone(self) -> bool:
        gc.collect()
        return not self.performances

    def begin(self, wish: Wish) -> Performance:
        self.fail("begin")
        performance = super().begin(wish)
        self.performances.add(performance)
        return performance

    def read_ahead(self, performance: Performance, most_columns: int) -> int:
        self.fail("read_ahead")
        self.log.append(READ)
        return super().read_ahead(performance, most_columns)

    def decode_step(self, performances) -> int:
        self.num_steps += 1
        self.log.append(len(performances))
        self.at_step(self.num_steps)
        if self.num_steps > 5:
            self.fail("decode_step")
        return super().decode_step(performances)

    def fail(self, where: str) -> None:
        if where in self.failures:
            raise self.failures.pop(where)()


def start(build: Callable[[], Runner]) -> Engine:
    return Engine("tiny", build, Words(explain, is_out_of_memory))


def submit(engine: Engine, wish: Wish, outbox: Outbox) -> Generation:
    return engine.submit(wish, Resources(1, 1), outbox)


async def listen(engine: Engine, wish: Wish) -> list[ModelEvent]:
    outbox = Outbox()
    submit(engine, wish, outbox)
    return [event async for event in outbox.events()]


@lru_cache
def tokens_alone(wish: Wish) -> torch.Tensor:
    return perform(runner("mono"), wish)


@lru_cache
def sound_alone(wish: Wish) -> np.ndarray:
    """Drawn one by one and decoded whole: no engine, no batch, no stream."""
    alone = runner("mono")
    return alone._codec.decode(tokens_alone(wish)[:, wish.first_heard_frame :], 1).numpy()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)
