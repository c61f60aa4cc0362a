"""How fast decode steps of MusicGen are on a CPU, side by side with transformers' own, as a table.

    python -m benchmarks.decode
    python -m benchmarks.decode --peer audiocraft    # where it is installed
    python -m benchmarks.decode --size large --precisions bf16 int8 --references bf16 --batches 1

Weights are random, sizes are those of the official models. In each round everybody makes a few
steps in turn, transformers first, one request there; so whatever else the machine does meets all
alike, and each ratio is one of the same round. So is the memory's bandwidth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch

from benchmarks.decode_peers import CPU, StepAt, audiocraft_step, transformers_step
from benchmarks.machine import describe
from benchmarks.race import Contender, race, times_as_fast
from benchmarks.random_checkpoint import random_language_model
from benchmarks.random_musicgen import SHAPES, config_of
from benchmarks.standing import NUM_TEXT_TOKENS, Standing, bytes_of_step
from benchmarks.streams import table
from server.models.musicgen.backend import Backend
from server.models.musicgen.checkpoint.huggingface import language_model_config
from server.models.musicgen.cpu.backend import CompiledModel
from server.models.musicgen.cpu.library import installed
from server.models.musicgen.cpu.memory import aligned_bytes
from server.models.musicgen.devices import DTYPES
from server.models.musicgen.quantized import quantize

STEPS_A_ROUND = 2
#: Bytes read by one measurement of the bandwidth: far more than any cache.
BANDWIDTH_BYTES = 2**28
PRECISIONS = ("fp32", "bf16", "int8", "torch fp32", "torch bf16", "torch int8")
REFERENCES = ("fp32", "bf16")
WEIGHT_BYTES = {"fp32": 4, "bf16": 2, "int8": 1}


def ours(size: str, precision: str) -> Backend[Any, Any]:
    """The backend of `precision`, one of `PRECISIONS`; "torch" ones go without the C++."""
    made_in = DTYPES["fp32" if precision.endswith("fp32") else "bf16"]
    model = random_language_model(language_model_config(config_of(size)), CPU, made_in)
    kind, _, format_in_torch = precision.partition(" ")
    if kind != "torch":
        return CompiledModel(model, installed(), kind, torch.get_num_threads())  # type: ignore[arg-type]
    if format_in_torch == "int8":
        quantize(model)
    else:
        model.place(CPU, DTYPES[format_in_torch])  # type: ignore[index]
    return model


def our_contender(
    name: str, backend: Backend[Any, Any], standing: Standing, num_requests: int, position: int
) -> Contender:
    num_bytes = bytes_of_step(
        backend.config,
        WEIGHT_BYTES[name.split()[-1]],
        backend.bytes_per_position,
        num_requests * position,
    )
    return Contender(name, num_requests, standing.step(num_requests, position), num_bytes)


def reader() -> Contender:
    """All threads read memory such as the C++ has its weights in."""
    block = torch.from_numpy(aligned_bytes(BANDWIDTH_BYTES)).view(torch.float32).fill_(1)
    return Contender("memory", 1, lambda _: block.sum(), block.nbytes)


def row(contender: Contender, references: Sequence[Contender], read: float) -> list[str]:
    """`references` made one request at the same position in the same rounds."""
    seconds, num_requests = median(contender.seconds), contender.num_requests
    needed = contender.bytes_per_step
    return [
        contender.name,
        str(num_requests),
        f"{1e3 * seconds:.1f}",
        f"{num_requests / seconds:.1f}",
        *(f"{times_as_fast(contender, each):.1f}×" for each in references),
        f"{needed / 1e6:.0f}" if needed else "",
        f"{100 * needed / read / seconds:.0f} %" if needed else "",
    ]


def measure(
    theirs: dict[str, StepAt],
    own: dict[str, Backend[Any, Any]],
    standing: dict[str, Standing],
    position: int,
    batches: Sequence[int],
    num_rounds: int,
) -> None:
    """Print the table of one position."""
    references = [Contender(name, 1, step_at(position)) for name, step_at in theirs.items()]
    others = [
        our_contender(name, backend, standing[name], batch, position)
        for name, backend in own.items()
        for batch in batches
    ]
    memory = reader()
    race([*references, *others, memory], num_rounds, STEPS_A_ROUND)
    read = memory.bytes_per_step * memory.steps_per_second
    ratios = [f"against {each.name}" for each in references]
    columns = ["", "requests", "ms a step", "steps a second", *ratios, "MB a step", "of bandwidth"]
    rows = [row(each, references, read) for each in (*references, *others)]
    table(f"Position {position}; {read / 1e9:.0f} GB/s", columns, rows)


@torch.inference_mode()
def main() -> None:
    arguments = parsed()
    torch.manual_seed(0)
    size = arguments.size
    theirs = {
        f"transformers {name}": transformers_step(config_of(size), DTYPES[name])
        for name in arguments.references
    }
    if arguments.peer == "audiocraft":
        theirs["audiocraft fp32"] = audiocraft_step(size)
    own = {name: ours(size, name) for name in arguments.precisions}
    num_positions = max(arguments.positions) + 1
    standing = {name: Standing(backend, num_positions) for name, backend in own.items()}
    print(f"{size}, random weights, {NUM_TEXT_TOKENS} text tokens; medians of {arguments.rounds}")
    packages = ("torch", "transformers", *((arguments.peer,) if arguments.peer else ()))
    print(f"{describe(*packages)}; {torch.get_num_threads()} threads")
    for position in arguments.positions:
        measure(theirs, own, standing, position, arguments.batches, arguments.rounds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SHAPES, default="small")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--references", nargs="+", choices=REFERENCES, default=list(REFERENCES))
    parser.add_argument("--peer", choices=["audiocraft"], help="compare with it too")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--positions", nargs="+", type=int, default=[0, 750, 1500])
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
