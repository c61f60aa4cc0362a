"""The takes of a job: side by side where the model has room, else one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import TypeAlias

from server import tracing
from server.events import Progress
from server.models.base import Model
from server.service.jobs import Job

#: How often a job looks for room to make another of its takes beside the first.
ROOM_TICK_SECONDS = 1.0

Take: TypeAlias = asyncio.Task[None]


async def perform(job: Job, model: Model) -> None:
    """Make all takes of `job`, telling it what happens.

    The job's ticket always holds the slots of one take, so it always goes on; more are taken while
    they are free and nobody waits. If a take fails, or this is cancelled, all of them have let go
    of the model when this returns.
    """
    takes: list[Take] = []
    try:
        while (running := _running(takes)) or len(takes) < job.request.num_takes:
            job.ticket.narrow(to=max(1, len(running)))
            while len(takes) < job.request.num_takes and (not running or job.ticket.widen()):
                takes.append(asyncio.create_task(_make(job, model, len(takes))))
                running.append(takes[-1])
            done, _ = await asyncio.wait(
                running, timeout=ROOM_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for take in done:
                take.result()  # raises what the take raised
    finally:
        await _end(takes)


async def _make(job: Job, model: Model, take: int) -> None:
    job.begin(take)
    with tracing.Stages("prefill", {"continuo.take": take}) as stages:
        async with aclosing(model.generate(job.request.take(take))) as events:
            async for event in events:
                if isinstance(event, Progress) and event.percent > 0:
                    stages.enter("decode")
                job.record(event, take)


def _running(takes: Sequence[Take]) -> list[Take]:
    return [take for take in takes if not take.done()]


async def _end(takes: Sequence[Take]) -> None:
    """Return when the model has let go of all, however often this task is cancelled meanwhile."""
    cancelled = False
    for take in takes:
        take.cancel()
    while running := _running(takes):
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError:
            cancelled = True
    for take in takes:
        if not take.cancelled():
            take.exception()  # seen: it is no unhandled one
    if cancelled:
        raise asyncio.CancelledError
