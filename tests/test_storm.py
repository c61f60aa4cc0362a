"""Many clients at once that behave in every way there is; afterwards nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from loguru import logger

from server.service.jobs import EventLog
from tests.fakes import Ticking
from tests.live import ROUTE, Live, live, until

STORM_SECONDS = 240.0 if os.environ.get("CONTINUO_SOAK") else 6.0
NUM_CLIENTS = 40
ROOT = Path(__file__).parents[1]
SLOTS = 6


async def client(port: int, chance: random.Random, until_time: float, seen: dict[str, int]) -> None:
    """One request after another, each ended as chance has it."""
    clock = asyncio.get_running_loop().time
    while clock() < until_time:
        seconds, fate = chance.choice([0, 0.01, 0.05]), chance.choice(["", "", "explode"])
        body = json.dumps(
            {
                "description": f"step {seconds} {fate}",
                "duration": chance.choice([1, 3, 20, 0]),
                "stream_audio": chance.random() < 0.5,
                "format": chance.choice(["wav", "mp3", "flac"]),
            }
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {ROUTE} HTTP/1.1\r\nHost: storm\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        patience = chance.choice([0, 0, 0.001, 0.02, 0.1, 0.5, 30])
        try:
            answer = await asyncio.wait_for(reader.read(), patience) if patience else b""
            seen[outcome(answer)] = seen.get(outcome(answer), 0) + 1
        except asyncio.TimeoutError:
            seen["left"] = seen.get("left", 0) + 1
        finally:
            writer.transport.abort()


def outcome(answer: bytes) -> str:
    """The status, or for 200 the last event."""
    status = answer[9:12].decode()
    if status == "200":
        last = [word for word in ("completed", "error") if f'"event":"{word}"'.encode() in answer]
        return last[0]
    return status or "closed"


def storm(port: int, seed: int, seconds: float) -> dict[str, int]:
    """What the clients saw, counted."""
    seen: dict[str, int] = {}

    async def everybody() -> None:
        until_time = asyncio.get_running_loop().time() + seconds
        chances = [random.Random(seed * 1000 + number) for number in range(NUM_CLIENTS)]
        await asyncio.gather(*(client(port, chance, until_time, seen) for chance in chances))

    asyncio.run(everybody())
    return seen


def assert_nothing_is_left(server: Live) -> None:
    room = server.service.room(server.service.registry.entry("ticking"))
    until(lambda: not server.service._jobs and not server.service._pumps)
    assert (room.num_running, room.num_waiting, Ticking.active) == (0, 0, 0)
    assert server.events(description="after the storm")[-1]["event"] == "completed"


@pytest.mark.timeout(STORM_SECONDS * 3 + 90)
def test_a_storm_leaves_nothing_behind() -> None:
    """In a process of its own: what other tests left in this one would be counted too."""
    command = [sys.executable, "-m", "tests.test_storm"]
    seconds = STORM_SECONDS * 3 + 60
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def weather_a_storm() -> None:
    errors: list[str] = []
    sink = logger.add(lambda line: errors.append(f"{line}"), format="{message}", level="ERROR")
    process = psutil.Process()
    with live(max_batch=SLOTS, waiting_places=10) as server:
        storm(server.port, seed=1, seconds=1.0)  # pools, threads and caches fill
        assert_nothing_is_left(server)
        threads, memory = process.num_threads(), process.memory_info().rss
        seen = storm(server.port, seed=2, seconds=STORM_SECONDS)
        assert_nothing_is_left(server)
        assert {"completed", "error", "left", "400", "503"} <= set(seen)
        assert process.num_threads() <= threads + SLOTS
        assert process.memory_info().rss < memory + 150 * 2**20
        # what encodes, or waits to, for clients that have gone still has to notice
        until(lambda: num_living_logs() <= SLOTS, 20)
    logger.remove(sink)
    unexpected = [line for line in errors if "failed" not in line and "Traceback" not in line]
    assert not unexpected


def num_living_logs() -> int:
    """Logs of jobs that have ended; a thread that rests may hold on to its last one."""
    gc.collect()
    return sum(type(thing) is EventLog for thing in gc.get_objects())


if __name__ == "__main__":
    weather_a_storm()
