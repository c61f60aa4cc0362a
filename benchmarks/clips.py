"""`python -m benchmarks.clips`: whole clips by MusicGen over HTTP, request to last byte.

A real server process with random weights of musicgen-small's shapes, one client, one clip at a
time; text encoder, codec, WAV and base64 included. The real-time factor is the time that a clip
took by its length. The load average says how busy the machine was: the server alone makes it 2.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.machine import ServerProcess, describe, serving
from benchmarks.random_musicgen import write
from benchmarks.streams import Timing, stream, table

PROMPT = "lofi with rain and a slow piano, take"


class Clip:
    """One that was made, and how busy others kept the machine until then."""

    def __init__(self, timing: Timing, num_seconds: int) -> None:
        self.first_audio = timing.first_audio
        self.end = timing.end
        self.factor = timing.end / num_seconds
        self.load, _, _ = os.getloadavg()


async def clips(server: ServerProcess, num_seconds: int, num_rounds: int) -> list[Clip]:
    """Each with words of its own: nothing is remembered from the one before."""
    made = []
    for take in range(num_rounds):
        body = {"description": f"{PROMPT} {take}", "duration": num_seconds, "seed": take}
        made.append(Clip(await stream(server.port, **body), num_seconds))
    return made


def row(precision: str, num_seconds: int, made: list[Clip]) -> list[str]:
    factors = [clip.factor for clip in made]
    return [
        precision,
        f"{num_seconds} s",
        f"{median(clip.first_audio for clip in made):.2f}",
        f"{median(clip.end for clip in made):.1f}",
        f"{median(factors):.2f}",
        f"{min(factors):.2f} to {max(factors):.2f}",
        f"{max(clip.load for clip in made):.1f}",
    ]


def measure(folder: Path, precision: str, lengths: list[int], num_rounds: int) -> list[list[str]]:
    with serving(str(folder), 1, PRECISION=precision, DEVICE="cpu") as server:
        asyncio.run(clips(server, 1, 1))  # what is set up on first use
        return [
            row(precision, num_seconds, asyncio.run(clips(server, num_seconds, num_rounds)))
            for num_seconds in lengths
        ]


def main() -> None:
    arguments = parsed()
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        folder = arguments.folder or write(Path(temporary))
        rows = [
            each
            for precision in arguments.precisions
            for each in measure(folder, precision, arguments.seconds, arguments.rounds)
        ]
    print(f"{describe('torch', 'transformers')}; medians of {arguments.rounds}")
    times = ["first sound, s", "last byte, s", "real-time factor", "all of them"]
    header = ["", "clip", *times, "most load average"]
    table("Clips over HTTP, one at a time, musicgen-small's shapes, random weights", header, rows)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="MusicGen's clips over HTTP, timed")
    parser.add_argument("--folder", type=Path, help="a checkpoint; otherwise one is made: 2.4 GB")
    parser.add_argument("--precisions", nargs="+", default=["int8"])
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 30])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
