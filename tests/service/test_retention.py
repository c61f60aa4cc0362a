from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from server.errors import Gone, NotFound
from server.events import State
from server.service.retention import WEEK_SECONDS, Retention
from tests.service.stored import Box, opened

MIB = 2**20


async def made(box: Box, num: int) -> list[str]:
    """The ids of finished jobs, each of 15 s: 480 kB."""
    jobs = [await box.submit("x", 15) for _ in range(num)]
    return [(await box.ended(job)).id for job in jobs]


async def states(box: Box, ids: list[str]) -> list[str]:
    found = []
    for id in ids:
        try:
            found.append((await box.jobs.get(id)).state.value)
        except (Gone, NotFound) as error:
            found.append(error.code)
    return found


async def test_the_oldest_expire_when_all_together_are_too_large(tmp_path: Path) -> None:
    async with opened(tmp_path, max_output_bytes=MIB) as box:
        ids = await made(box, 4)
        running = await box.submit("step 0.1", 60)
        await box.jobs._sweeper.sweep()
        assert await states(box, ids) == ["gone", "gone", "completed", "completed"]
        assert sum(box.jobs._outputs.sizes().values()) <= MIB
        assert box.service.metrics.output_bytes._value.get() <= MIB
        assert not (await box.jobs.get(running.id)).finished
        await box.jobs._sweeper.sweep()
        assert (await states(box, ids)).count("completed") == 2


async def test_dialects_have_their_own_time(tmp_path: Path, monkeypatch) -> None:
    settings = {"job_retention_hours": 1, "lyria_retention_hours": 3}
    async with opened(tmp_path, **settings) as box:
        ids = []
        for dialect in ("jobs", "lyria", "another"):
            request = (await box.submit()).request
            (stored,) = await box.jobs.submit([request], dialect)
            ids.append((await box.ended(stored)).id)
        now = time.time()
        for hours, expected in [
            (0.9, ["completed", "completed", "completed"]),
            (1.1, ["gone", "completed", "completed"]),
            (2.1, ["not_found", "completed", "completed"]),
            (3.1, ["not_found", "gone", "completed"]),
            (6.1, ["not_found", "not_found", "completed"]),
            (24 * 7 + 0.1, ["not_found", "not_found", "gone"]),
        ]:
            monkeypatch.setattr(time, "time", lambda then=now + hours * 3600: then)
            await box.jobs._sweeper.sweep()
            assert await states(box, ids) == expected


async def test_failed_and_cancelled_jobs_are_forgotten_too(tmp_path: Path, monkeypatch) -> None:
    async with opened(tmp_path) as box:
        failed = await box.ended(await box.submit("explode", 3))
        cancelled = await box.jobs.cancel(await box.submit("step 1", 60))
        assert {failed.state, cancelled.state} == {State.FAILED, State.CANCELLED}
        then = time.time() + 2 * WEEK_SECONDS + 60
        monkeypatch.setattr(time, "time", lambda: then)
        await box.jobs._sweeper.sweep()
        assert await states(box, [failed.id, cancelled.id]) == ["not_found", "not_found"]


@pytest.mark.parametrize("age_seconds", [WEEK_SECONDS - 3600, WEEK_SECONDS + 3600])
async def test_only_old_folders_without_a_job_are_removed(
    tmp_path: Path, age_seconds: float
) -> None:
    """Young ones may be of another database, which somebody will connect again."""
    async with opened(tmp_path) as box:
        (kept,) = await made(box, 1)
        stray, foreign = tmp_path / ("f" * 32), tmp_path / "holiday-pictures"
        for folder in (stray, foreign, tmp_path / kept):
            folder.mkdir(exist_ok=True)
            then = time.time() - age_seconds
            os.utime(folder, (then, then))
        await box.jobs._sweeper.sweep()
        assert stray.exists() is (age_seconds < WEEK_SECONDS)
        assert foreign.exists()
        assert (tmp_path / kept / "output" / "take-0.wav").exists()


def test_the_longest_time_is_at_least_a_week() -> None:
    assert Retention({"a": 1.0}).longest_seconds == WEEK_SECONDS
    assert Retention({"a": 1.0, "b": 2 * WEEK_SECONDS}).longest_seconds == 2 * WEEK_SECONDS
    assert Retention().longest_seconds == WEEK_SECONDS
