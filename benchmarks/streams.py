"""`python -m benchmarks.streams`: what the server itself costs a stream, and how fast it lets go.

Times are a client's, from sending the request, over loopback on the same cores as the server.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.machine import ServerProcess, describe, serving
from benchmarks.sleeping import STEP_SECONDS

ROUTE = "/api/v1/generate_music"
STREAM_SECONDS = 10
CONCURRENCIES = (1, 50, 500)
NUM_CANCELS = 300
NUM_SKETCHES = 15
#: What each measured moment looks like on the wire.
MARKS = {
    "first_event": b'"event":',
    "first_audio": b'"event":"audio"',
    "completed": b'"event":"completed"',
}


@dataclass
class Timing:
    """Seconds from the request to each moment; `end` is the last byte."""

    first_event: float = 0.0
    first_audio: float = 0.0
    completed: float = 0.0
    end: float = 0.0


async def request(port: int, **body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raw = json.dumps(body).encode()
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(raw)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + raw)
    return reader, writer


async def stream(port: int, **body: object) -> Timing:
    """One stream, read to its end."""
    timing = Timing()
    begun = time.perf_counter()
    reader, writer = await request(port, stream_audio=True, **body)
    missing = dict(MARKS)
    tail = b""
    while piece := await reader.read(1 << 18):
        seen = tail + piece if missing else b""
        for moment in [m for m, mark in missing.items() if mark in seen]:
            setattr(timing, moment, time.perf_counter() - begun)
            del missing[moment]
        tail = seen[-40:]
    timing.end = time.perf_counter() - begun
    writer.close()
    if missing:
        raise RuntimeError(f"a stream ended without {', '.join(missing)}: {tail!r}")
    return timing


async def measure_overhead(server: ServerProcess, num_streams: int) -> list[str]:
    """A row: `num_streams` at once over the sleeping model, less what the sleeping takes."""
    body = {"description": "bench", "duration": STREAM_SECONDS}
    await stream(server.port, **body)
    memory_before, cpu_before = server.memory_bytes(), server.cpu_seconds()
    peak = asyncio.create_task(peak_memory(server))
    timings = await asyncio.gather(*(stream(server.port, **body) for _ in range(num_streams)))
    peak.cancel()
    cpu_seconds = server.cpu_seconds() - cpu_before
    per_stream = (await peak_of(peak) - memory_before) / num_streams / 2**20
    ideal = STREAM_SECONDS * STEP_SECONDS
    ends = [timing.end for timing in timings]
    return [
        str(num_streams),
        milliseconds([timing.first_event for timing in timings]),
        milliseconds([timing.first_audio - STEP_SECONDS for timing in timings]),
        milliseconds([end - ideal for end in ends]),
        f"{cpu_seconds / num_streams * 1000:.1f}",
        f"{max(0.0, per_stream):.1f}" if num_streams > 1 else "–",
    ]


async def peak_memory(server: ServerProcess) -> int:
    """The most memory seen until cancelled."""
    peak = server.memory_bytes()
    try:
        while True:
            await asyncio.sleep(0.05)
            peak = max(peak, server.memory_bytes())
    except asyncio.CancelledError:
        return peak


async def peak_of(task: asyncio.Task[int]) -> int:
    return await task


async def measure_cancels(port: int) -> list[str]:
    """From a client's close to the next client's start, on the only slot."""
    waits = []
    for round_ in range(NUM_CANCELS):
        reader, writer = await request(port, description="bench", duration=60)
        await reader.readuntil(b'"start"')
        await asyncio.sleep(0.001 * (round_ % 20))  # anywhere within a step
        begun = time.perf_counter()
        writer.transport.abort()
        waits.append(await until_started(port) - begun)
        await asyncio.sleep(0.03)
    return [
        "one slot, steps of 200 ms asleep",
        milliseconds(waits),
        f"{percentile(waits, 99) * 1000:.1f}",
    ]


async def until_started(port: int) -> float:
    """When a new request starts, asking again while the slot is not free."""
    while True:
        reader, writer = await request(port, description="bench", duration=1)
        answer = await reader.read(1 << 16)
        if b" 200 " in answer.split(b"\r\n", 1)[0]:
            if b'"start"' not in answer:
                await reader.readuntil(b'"start"')
            started = time.perf_counter()
            writer.transport.abort()
            return started
        writer.close()


async def measure_sketch(port: int) -> list[str]:
    body = {"description": "lofi with rain", "duration": 30}
    await stream(port, **body)
    timings = [await stream(port, **body, seed=seed) for seed in range(NUM_SKETCHES)]
    return [
        "sketch, 30 s stereo 48 kHz",
        milliseconds([timing.first_event for timing in timings]),
        milliseconds([timing.first_audio for timing in timings]),
        milliseconds([timing.end for timing in timings]),
        f"{30 / statistics.median(timing.end for timing in timings):.0f}×",
    ]


def milliseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f}"


def percentile(values: Sequence[float], percent: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(percent / 100 * len(ranked)))]


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n### {title}\n")
    for row in (header, ["---"] * len(header), *rows):
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


async def main() -> None:
    """Print the tables."""
    print(f"{describe()}; medians, milliseconds unless said otherwise")
    rows = []
    for num_streams in CONCURRENCIES:
        with serving("sleeping", slots=num_streams) as server:
            rows.append(await measure_overhead(server, num_streams))
    table(
        f"Streams of {STREAM_SECONDS} s (32 kHz mono, `stream_audio`) over a model that sleeps "
        f"{STREAM_SECONDS * STEP_SECONDS:g} s",
        ["streams at once", "first event", "first audio, after the model made it",
         "last byte, beyond the sleeping", "server CPU a stream", "memory a stream, MiB"],
        rows,
    )  # fmt: skip
    with serving("sleeping", slots=1) as server:
        cancels = await measure_cancels(server.port)
    table(
        f"From a client's close to the next one's start ({NUM_CANCELS} times)",
        ["", "median", "99th percentile"],
        [cancels],
    )
    with serving("sketch", slots=1) as server:
        sketch = await measure_sketch(server.port)
    table(
        f"A song, request to last byte ({NUM_SKETCHES} seeds, one at a time)",
        ["", "first event", "first audio", "last byte", "times real time"],
        [sketch],
    )


if __name__ == "__main__":
    asyncio.run(main())
