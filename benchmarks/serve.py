"""`python -m benchmarks.serve`: many listeners on one model, batched against one at a time.

Real server processes with random weights of musicgen-small's shapes, and HTTP clients on the same
machine; `--seconds` of music a request. Then the same engine from inside: steps, and what the
others notice of a newcomer.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.engine_steps import measure_newcomers, measure_steps
from benchmarks.machine import ServerProcess, describe, serving
from benchmarks.random_musicgen import write
from benchmarks.streams import Timing, request, stream, table
from server.models.musicgen.devices import Precision

PROMPTS = ("slow warm jazz", "rock music with bright arpeggio", "rain", "lofi for a long night")
NUM_ROUNDS = 2
CROWD = 10
LEAVING_SHARE = 0.3


class Crowd:
    """Clients that ask at the same moment, and when each of them got what."""

    def __init__(self, timings: Sequence[Timing], num_seconds: int, wall_seconds: float) -> None:
        self.timings = timings
        self.music_seconds = num_seconds * len(timings)
        self.wall_seconds = wall_seconds

    @property
    def throughput(self) -> float:
        """Seconds of music a second, together."""
        return self.music_seconds / self.wall_seconds

    @property
    def unfairness(self) -> float:
        ends = [timing.end for timing in self.timings]
        return max(ends) / min(ends)


def body(index: int, num_seconds: int) -> dict[str, object]:
    prompt = PROMPTS[index % len(PROMPTS)]
    return {"description": prompt, "duration": num_seconds, "seed": index}


async def listen(server: ServerProcess, num_clients: int, num_seconds: int) -> Crowd:
    begun = time.perf_counter()
    timings = await asyncio.gather(
        *(stream(server.port, **body(index, num_seconds)) for index in range(num_clients))
    )
    return Crowd(timings, num_seconds, time.perf_counter() - begun)


async def listen_or_leave(server: ServerProcess, num_seconds: int, longest: float) -> Crowd:
    """`CROWD` clients, of whom some leave within `longest` seconds."""
    choose = random.Random(7)
    leaving = set(choose.sample(range(CROWD), round(LEAVING_SHARE * CROWD)))
    begun = time.perf_counter()
    going = [leave(server, i, num_seconds, choose.uniform(0, longest)) for i in leaving]
    staying = [
        stream(server.port, **body(i, num_seconds)) for i in range(CROWD) if i not in leaving
    ]
    timings, _ = await asyncio.gather(asyncio.gather(*staying), asyncio.gather(*going))
    return Crowd(timings, num_seconds, time.perf_counter() - begun)


async def leave(server: ServerProcess, index: int, num_seconds: int, after: float) -> None:
    _, writer = await request(server.port, stream_audio=True, **body(index, num_seconds))
    await asyncio.sleep(after)
    writer.transport.abort()


def row(name: str, crowds: Sequence[Crowd], against: float) -> list[str]:
    """Medians over the clients of all rounds; `against` is the throughput to compare with."""
    timings = [timing for crowd in crowds for timing in crowd.timings]
    throughput = statistics.median(crowd.throughput for crowd in crowds)
    return [
        name,
        *(
            f"{statistics.median(getattr(timing, moment) for timing in timings):.2f}"
            for moment in ("first_event", "first_audio", "completed")
        ),
        f"{max(timing.first_audio for timing in timings):.2f}",
        f"{1 / throughput:.2f}",
        f"{throughput / against:.2f}×",
        f"{statistics.median(crowd.unfairness for crowd in crowds):.2f}",
    ]


async def compare(
    single: ServerProcess, batched: ServerProcess, num_seconds: int
) -> list[list[str]]:
    """The rows, each measured `NUM_ROUNDS` times, one server after the other."""
    cases = [
        ("MAX_BATCH=1: 1", single, 1),
        ("MAX_BATCH=1: 4", single, 4),
        ("batched: 1", batched, 1),
        ("batched: 4", batched, 4),
        ("batched: 8", batched, 8),
    ]
    crowds: dict[str, list[Crowd]] = {name: [] for name, _, _ in cases}
    for _ in range(NUM_ROUNDS):
        for name, server, num_clients in cases:
            crowds[name].append(await listen(server, num_clients, num_seconds))
    longest = crowds["batched: 8"][0].wall_seconds
    name = f"batched: {CROWD}, of whom {LEAVING_SHARE:.0%} leave"
    crowds[name] = [await listen_or_leave(batched, num_seconds, longest)]
    alone = statistics.median(crowd.throughput for crowd in crowds["MAX_BATCH=1: 1"])
    return [row(name, measured, alone) for name, measured in crowds.items()]


def measure_serving(folder: Path, precision: Precision, num_seconds: int) -> list[list[str]]:
    settings = {"PRECISION": precision, "DEVICE": "cpu", "WAITING_PLACES": "64"}
    with ExitStack() as servers:
        single = servers.enter_context(serving(str(folder), 1, **settings))
        batched = servers.enter_context(serving(str(folder), 8, **settings))
        return asyncio.run(compare(single, batched, num_seconds))


def measure(folder: Path, precision: Precision, num_seconds: int, steps: bool) -> None:
    """Print the tables of one precision."""
    rows = measure_serving(folder, precision, num_seconds)
    table(
        f"Streams of {num_seconds} s at once, {precision}, seconds from the request",
        ["clients", "first event", "first audio", "completed", "latest first audio",
         "real-time factor, all together", "music a second, to one alone",
         "longest / shortest"],
        rows,
    )  # fmt: skip
    if steps:
        measure_steps(folder, precision)
        measure_newcomers(folder, precision)


def main() -> None:
    arguments = parsed()
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        folder = arguments.folder or write(Path(temporary) / "random-small")
        print(describe("torch", "transformers"))
        for precision in arguments.precisions:
            measure(folder, precision, arguments.seconds, not arguments.only_streams)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Many listeners on one MusicGen, timed")
    parser.add_argument("--folder", type=Path, help="a checkpoint; otherwise one is made: 2.4 GB")
    parser.add_argument("--precisions", nargs="+", default=["int8"])
    parser.add_argument("--seconds", type=int, default=1, help="of music a request; default 1")
    parser.add_argument("--only-streams", action="store_true", help="not the engine from inside")
    return parser.parse_args()


if __name__ == "__main__":
    main()
