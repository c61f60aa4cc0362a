"""Small real models for tests: each is a model like any other, named in EXTRA_MODELS."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from loguru import logger

from server.errors import ModelBroken, TooLarge, Unavailable
from server.events import AudioChunk, Document, ModelEvent, Progress, Samples, Warning
from server.generation import GenerationRequest
from server.models.base import Availability, Control, Model, ModelInfo, ModelOptions, Resources
from server.models.diffrhythm.lyrics import with_times
from server.models.threaded import ThreadedModel

SAMPLE_RATE = 8_000
GIGABYTE = 10**9


def info(name: str, **changes: object) -> ModelInfo:
    known: dict[str, object] = {
        "name": name,
        "description": "a test model",
        "sample_rate": SAMPLE_RATE,
        "channels": 2,
        "max_duration_seconds": 60,
        "default_duration_seconds": 2,
        "code_licence": "test",
        "weights_licence": "none",
    }
    return ModelInfo(**{**known, **changes})  # type: ignore[arg-type]


def tone(seed: int, second: int) -> Samples:
    """A second of seeded noise, [2, SAMPLE_RATE]."""
    random = np.random.default_rng([seed, second])
    return random.uniform(-0.5, 0.5, (2, SAMPLE_RATE)).astype(np.float32)


class Ticking(ThreadedModel):
    """A step a second of sound; the prompt "step 0.1" makes each step take 0.1 s."""

    #: Threads now inside `steps`, over all instances.
    active = 0
    lock = threading.Lock()

    def __init__(self, name: str, options: ModelOptions) -> None:
        controls = (Control("bpm", "integer", "tempo", 60, 200, 120),)
        able = {"abilities": frozenset({"stems"}), "formats": ("midi",)}
        super().__init__(info(name, controls=controls, **able), options)

    def interpret(self, request: GenerationRequest) -> dict[str, object]:
        return {"step_seconds": step_seconds(request.prompt)}

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        self._count(+1)
        try:
            for second in range(request.num_seconds):
                time.sleep(step_seconds(request.prompt))
                if "explode" in request.prompt and second == 1:
                    raise RuntimeError("the prompt said so")
                if "broken" in request.prompt and second == 1:
                    raise ModelBroken("the device is lost")
                if "log" in request.prompt:
                    logger.info("from the model's thread")
                if "warn" in request.prompt and second == 0:
                    yield Warning("test", "as asked")
                sound = tone(request.drawn_seed, second)
                stems = {"low": sound / 4, "high": sound * 3 / 4} if request.stems else {}
                yield AudioChunk(sound, stems=stems)
                yield Progress(100 * (second + 1) / request.num_seconds)
            if request.format == "midi":
                yield Document("midi", b"MThd and so on")
        finally:
            self._count(-1)

    @classmethod
    def _count(cls, change: int) -> None:
        with cls.lock:
            cls.active += change


def step_seconds(prompt: str) -> float:
    words = prompt.split()
    return float(words[words.index("step") + 1]) if "step" in words else 0.0


class Hanging(ThreadedModel):
    """Makes a second of sound and then never returns, unless a test releases it."""

    released = threading.Event()

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(info(name), options)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        yield AudioChunk(tone(request.drawn_seed, 0))
        self.released.wait()


class Missing(ThreadedModel):
    """Cannot run here."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        nowhere = Availability("its weights are not on this machine", "Run: fetch-weights NAME")
        super().__init__(info(name, availability=nowhere), options)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        raise AssertionError("nobody may get here")


class SlowToLoad(Ticking):
    """Needs a second to load."""

    def prepare(self) -> None:
        time.sleep(1.0)


class Surprise(ThreadedModel):
    """Turns out to be mono when it is loaded."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(info(name), options)

    def prepare(self) -> None:
        self.info = info(self.info.name, channels=1)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        for second in range(request.num_seconds):
            yield AudioChunk(tone(request.drawn_seed, second)[:1])


class BrokenLoad(Ticking):
    """Cannot be loaded."""

    def prepare(self) -> None:
        raise OSError("secret path /srv/weights")


class LateWeights(Ticking):
    """Cannot be loaded before somebody has fetched its weights."""

    fetched = False
    num_loads = 0

    def prepare(self) -> None:
        type(self).num_loads += 1
        if not self.fetched:
            raise Unavailable("its weights are missing", "Run: fetch-weights NAME")


class Heavy(Ticking):
    """Takes as many GB as its name ends with, and a moment to load; says what it saw of faults."""

    load_seconds = 0.0
    #: A load waits for it.
    gate: threading.Event | None = None
    #: What its load finds to take, where that is not what was believed before.
    found_gigabytes: int | None = None
    fails = False
    #: What it would rather have than what its name says.
    wanted_gigabytes = 0
    #: Name → bytes of those that are in memory, over all instances.
    held: ClassVar[dict[str, int]] = {}
    most_held_bytes = 0
    faults: ClassVar[list[str]] = []

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(name, options)
        self._usable = False

    @classmethod
    def forget(cls) -> None:
        """Nothing was seen yet."""
        Heavy.held.clear()
        Heavy.faults.clear()
        Heavy.most_held_bytes = 0

    def needed_bytes(self) -> int:
        return GIGABYTE * int(self.info.name.rsplit("-", 1)[1])

    def wanted_bytes(self) -> int:
        return max(self.needed_bytes(), GIGABYTE * self.wanted_gigabytes)

    def prepare(self) -> None:
        self._note(self.info.name not in self.held, "is loaded twice")
        granted_bytes = self.granted_bytes or self.needed_bytes()
        self.held[self.info.name] = granted_bytes
        Heavy.most_held_bytes = max(Heavy.most_held_bytes, sum(self.held.values()))
        self.activity = "reading weights"
        time.sleep(self.load_seconds)
        if self.gate is not None:
            self.gate.wait(10)
        if self.fails:
            raise Unavailable("its weights are damaged", "Run: fetch-weights NAME")
        found = self.found_gigabytes
        self.memory_bytes = granted_bytes if found is None else GIGABYTE * found
        self._usable = True

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        for event in super().steps(request):
            self._note(self._usable, "works although it is not loaded")
            yield event

    async def close(self) -> None:
        self._usable = False
        await super().close()
        self.held.pop(self.info.name, None)

    def _note(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.faults.append(f"{self.info.name} {otherwise}")


class Weighted(Model):
    """Four slots; a request takes as many as its seconds. Written as a plain async generator."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        self.info = info(name)
        self.capacity = Resources(4)

    async def load(self) -> None:
        """Nothing to load."""

    def cost(self, request: GenerationRequest) -> Resources:
        if request.num_seconds > self.capacity.slots:
            raise TooLarge("duration_seconds", f"needs {request.num_seconds} slots; there are 4")
        return Resources(request.num_seconds)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        for second in range(request.num_seconds):
            await asyncio.sleep(step_seconds(request.prompt))
            yield AudioChunk(tone(request.drawn_seed, second))
            yield Progress(100 * (second + 1) / request.num_seconds)

    async def close(self) -> None:
        """Nothing to close."""


class Hearing(ThreadedModel):
    """Gives back what it was given: the melody on the left, what it continues on the right."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(info(name, abilities=frozenset({"melody", "continuation"})), options)

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        num_samples = request.num_seconds * SAMPLE_RATE
        given = (request.melody, request.continuation)
        heard = [np.zeros(1, np.float32) if each is None else each.samples[0] for each in given]
        yield AudioChunk(np.stack([np.resize(each, num_samples) for each in heard]))
        yield Progress(100)


class Singing(ThreadedModel):
    """Noise in place of a song: the style's recording on the left, if there is one. What is edited
    keeps its own samples outside of the segments."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        limits = {"min_duration_seconds": 95, "max_duration_seconds": 285}
        abilities = frozenset({"lyrics", "style_audio", "edited_song", "whole_decoding"})
        sings = info(name, abilities=abilities, default_duration_seconds=95, **limits)
        super().__init__(replace(sings, max_prompt_characters=500), options)

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        return replace(request, lyrics=with_times(request.lyrics or "", request.num_seconds))

    def interpret(self, request: GenerationRequest) -> dict[str, object]:
        return {"lyrics": request.lyrics}

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        if request.whole_decoding:
            seconds = [self._second(request, second) for second in range(request.num_seconds)]
            yield AudioChunk(np.concatenate(seconds, axis=1))
            return
        for second in range(request.num_seconds):
            time.sleep(step_seconds(request.prompt))
            yield AudioChunk(self._second(request, second))
            yield Progress(100 * (second + 1) / request.num_seconds)

    def _second(self, request: GenerationRequest, second: int) -> Samples:
        sound = tone(request.drawn_seed, second)
        if request.style_audio is not None:
            sound[0] = request.style_audio.samples[0, :SAMPLE_RATE]
        if request.edit is not None and not any(a <= second < b for a, b in request.edit.segments):
            start = second * SAMPLE_RATE
            sound[:] = request.edit.song.samples[:, start : start + SAMPLE_RATE]
        return sound


class Mute(Singing):
    """Would sing, but cannot run here."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(name, options)
        nowhere = Availability("its weights are not on this machine", "Run: fetch-weights NAME")
        self.info = replace(self.info, availability=nowhere)
