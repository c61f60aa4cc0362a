"""Whatever is done to stored jobs, in whatever order: each ends once, as it was told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.errors import NotFound
from server.events import State
from server.generation import GenerationRequest
from server.stores.stored_job import StoredJob
from tests.fakes import Ticking
from tests.service.stored import Box, opened
from tests.soak import SOAK

NUM_EXAMPLES = 300 if SOAK else 15
PROMPTS = ("x", "step 0.01", "step 0.05", "explode", "warn")
STEPS = st.tuples(
    st.sampled_from(["submit", "submit", "cancel", "delete", "restart", "pause"]),
    st.integers(0, 9),
)


class Story:
    """What was done, and what must therefore be so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = AsyncExitStack()
        self._jobs: list[StoredJob] = []
        self._cancelled: set[str] = set()
        self._deleted: set[str] = set()
        self.box: Box

    async def restart(self, _: int = 0) -> None:
        await self._stack.aclose()
        self.box = await self._stack.enter_async_context(opened(self._folder, max_batch=2))

    async def submit(self, number: int) -> None:
        requests = [
            GenerationRequest(PROMPTS[(number + n) % len(PROMPTS)], duration_seconds=3, seed=n)
            for n in range(1 + number % 3)
        ]
        self._jobs += await self.box.jobs.submit(requests, "test")

    async def cancel(self, number: int) -> None:
        if job := self._any(number):
            now = await self.box.jobs.cancel(await self.box.jobs.get(job.id))
            assert now.finished
            if now.state is State.CANCELLED:
                self._cancelled.add(job.id)

    async def delete(self, number: int) -> None:
        if job := self._any(number):
            await self.box.jobs.delete(job.id)
            self._deleted.add(job.id)

    async def pause(self, number: int) -> None:
        await asyncio.sleep(number * 0.01)

    async def end(self) -> None:
        for job in self._jobs:
            if job.id in self._deleted:
                with pytest.raises(NotFound):
                    await self.box.jobs.get(job.id)
            else:
                await self.box.ended(job)
        await self.box.nothing_runs()  # the files of what was cancelled go last
        for job in self._jobs:
            if job.id not in self._deleted:
                self._check(await self.box.jobs.get(job.id), job)
        assert Ticking.active == 0
        assert not self.box.service._jobs
        room = self.box.service.room(self.box.service.registry.entry("ticking"))
        assert (room.num_waiting, room.used.slots) == (0, 0)
        folders = {path.name for path in self._folder.iterdir() if path.is_dir()}
        assert not folders & (self._deleted | self._cancelled)
        await self._stack.aclose()

    def _check(self, done: StoredJob, first: StoredJob) -> None:
        assert done.request == first.request
        expected = State.FAILED if "explode" in done.request.prompt else State.COMPLETED
        assert done.state is (State.CANCELLED if done.id in self._cancelled else expected)
        take = self._folder / done.id / "output" / "take-0.wav"
        if done.state is State.COMPLETED:
            assert soundfile.info(take).frames == 24_000
            assert done.outputs == ("take-0.wav",)
        else:
            assert take.exists() == bool(done.outputs)
            assert done.partial == (done.state is State.FAILED and take.exists())

    def _any(self, number: int) -> StoredJob | None:
        living = [job for job in self._jobs if job.id not in self._deleted]
        return living[number % len(living)] if living else None


@settings(max_examples=NUM_EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=14))
@pytest.mark.timeout(NUM_EXAMPLES * 10)
def test_each_job_ends_once_and_as_it_was_told(steps: list[tuple[str, int]]) -> None:
    async def tell(folder: Path) -> None:
        story = Story(folder)
        await story.restart()
        for step, number in steps:
            await getattr(story, step)(number)
        await story.end()

    with TemporaryDirectory() as folder:
        asyncio.run(tell(Path(folder)))
