"""`python -m benchmarks.gpu`: what MusicGen does on a GPU, as Markdown, unattended and in bounds.

    python -m benchmarks.gpu > result.md           # rows are told on stderr as they come
    python -m benchmarks.gpu --shapes large --batches 1 --peer-batches 1 --streams 32

Weights are random, sizes are those of the official models. Nothing is downloaded. First the outputs
are compared with the CPU's; if they are wrong it ends there, with status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.gpu.benchmark import Benchmark, Plan
from benchmarks.gpu.checks import WrongOutput
from server.errors import Unavailable


def main(arguments: Sequence[str] | None = None) -> int:
    plan = Plan(**vars(parsed(arguments)))
    try:
        benchmark = Benchmark(plan)
    except Unavailable as error:
        print(f"{error}", file=sys.stderr)
        return 2
    try:
        benchmark.check()
        benchmark.measure()
    except WrongOutput as error:
        print(f"WRONG OUTPUT, so nothing is measured: {error}", file=sys.stderr)
        return 1
    finally:
        print(benchmark.markdown())
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--device", default=plan.device, help="cuda; cpu to try the benchmark itself")
    add("--precision", default=plan.precision, help="as PRECISION; auto is fp16 on CUDA")
    add("--minutes", type=float, default=plan.minutes, help="rows without time are left out")
    add("--shapes", nargs="+", default=plan.shapes, help="the important first; or folders")
    add("--batches", nargs="*", type=int, default=plan.batches)
    add("--peer-batches", nargs="*", type=int, default=plan.peer_batches, help="of transformers")
    add("--positions", nargs="+", type=int, default=plan.positions)
    add("--rounds", type=int, default=plan.rounds)
    add("--streams", nargs="*", type=int, default=plan.streams, help="at once")
    add("--seconds", type=int, default=plan.seconds, help="of music, each stream")
    add("--joining-seconds", type=float, default=plan.joining_seconds, help="until all play")
    add("--from-host", nargs="*", default=plan.from_host, help="shapes loaded as from files, too")
    add("--copy-bytes", type=int, default=plan.copy_bytes)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
