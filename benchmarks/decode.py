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
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.decode_peers import (
    NUM_TEXT_TOKENS,
    Step,
    StepAt,
    audiocraft_step,
    filled,
    transformers_step,
)
from benchmarks.machine import describe
from benchmarks.random_musicgen import CARD, SHAPES
from benchmarks.streams import table
from server.models.musicgen.backend import Backend
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cpu.backend import CompiledModel
from server.models.musicgen.cpu.library import installed
from server.models.musicgen.cpu.memory import aligned_bytes
from server.models.musicgen.devices import DTYPES
from server.models.musicgen.quantized import quantize
from server.models.musicgen.transformer import LanguageModel

TEXT_DIM = 768
STEPS_A_ROUND = 2
#: Bytes read by one measurement of the bandwidth: far more than any cache.
BANDWIDTH_BYTES = 2**28
PRECISIONS = ("fp32", "bf16", "int8", "torch fp32", "torch bf16", "torch int8")
REFERENCES = ("fp32", "bf16")


@dataclass
class Contender:
    """Somebody who makes steps at a position, for `num_requests` at once."""

    name: str
    num_requests: int
    step: Step
    bytes_per_step: int = 0
    seconds: list[float] = field(default_factory=list)


def sizes_of(size: str) -> LanguageModelConfig:
    dim, num_layers, num_heads, num_codebooks = SHAPES[size]
    channels = num_codebooks // 4
    delays = tuple(k // channels for k in range(num_codebooks))
    sizes = (dim, num_heads, num_layers, 4 * dim, num_codebooks, CARD, TEXT_DIM)
    return LanguageModelConfig(*sizes, delays)


def ours(size: str, precision: str) -> Backend[Any, Any]:
    """The backend of `precision`, one of `PRECISIONS`; "torch" ones go without the C++."""
    made_in = DTYPES["fp32" if precision.endswith("fp32") else "bf16"]
    model = filled(made_in, lambda: LanguageModel(sizes_of(size))).requires_grad_(False)
    kind, _, format_in_torch = precision.partition(" ")
    if kind != "torch":
        return CompiledModel(model, installed(), kind, torch.get_num_threads())  # type: ignore[arg-type]
    if format_in_torch == "int8":
        quantize(model)
    else:
        model.place(torch.device("cpu"), DTYPES[format_in_torch])  # type: ignore[index]
    return model


def our_contender(
    name: str, backend: Backend[Any, Any], num_requests: int, position: int, num_steps: int
) -> Contender:
    """Requests that stand at `position`; what they remember of the positions before is noise."""
    config = backend.config
    text = backend.remember_text(torch.randn(NUM_TEXT_TOKENS, TEXT_DIM))
    memories = [backend.reserve(position + num_steps) for _ in range(num_requests)]
    columns = torch.randint(CARD, (config.num_codebooks, position))
    for memory in memories:
        for start in range(0, position, 250):
            backend.extend(columns[:, start : start + 250], start, memory, text)
    tokens = torch.randint(CARD, (num_requests, config.num_codebooks))

    def step(index: int) -> Tensor:
        positions = [position + index] * num_requests
        return backend.decode_step(tokens, positions, memories, [text] * num_requests)

    remembered = num_requests * position * backend.bytes_per_position
    return Contender(name, num_requests, step, weights_read(config, name) + remembered)


def weights_read(config: LanguageModelConfig, name: str) -> int:
    """Of a step: the products', without those of the text's keys and values."""
    products = config.num_layers * (6 * config.dim**2 + 2 * config.dim * config.ffn_dim)
    heads = config.dim * config.num_codebooks * config.codebook_size
    size = {"fp32": 4, "bf16": 2, "int8": 1}[name.split()[-1]]
    return size * (products + heads)


def bandwidth(block: Tensor) -> float:
    """Bytes a second that all threads read, from memory such as the C++ has its weights in."""
    start = time.perf_counter()
    block.sum()
    return block.nbytes / (time.perf_counter() - start)


def race(contenders: Sequence[Contender], num_rounds: int) -> float:
    """Fill in everybody's seconds a step, round by round; the median bandwidth. A round before the
    first is not counted."""
    block = torch.from_numpy(aligned_bytes(BANDWIDTH_BYTES)).view(torch.float32).fill_(1)
    read = []
    for index in range(num_rounds + 1):
        for contender in contenders:
            start = time.perf_counter()
            for step in range(STEPS_A_ROUND):
                contender.step(index * STEPS_A_ROUND + step)
            contender.seconds.append((time.perf_counter() - start) / STEPS_A_ROUND)
        read.append(bandwidth(block))
    for contender in contenders:
        del contender.seconds[0]
    return median(read[1:])


def rounds_of(*contenders: Contender) -> Iterator[tuple[float, ...]]:
    return zip(*(each.seconds for each in contenders), strict=True)


def row(contender: Contender, references: Sequence[Contender], read: float) -> list[str]:
    """`references` made one request at the same position in the same rounds."""
    seconds, num_requests = median(contender.seconds), contender.num_requests
    ratios = [
        median(num_requests * theirs / own for theirs, own in rounds_of(each, contender))
        for each in references
    ]
    needed = contender.bytes_per_step
    return [
        contender.name,
        str(num_requests),
        f"{1e3 * seconds:.1f}",
        f"{num_requests / seconds:.1f}",
        *(f"{ratio:.1f}×" for ratio in ratios),
        f"{needed / 1e6:.0f}" if needed else "",
        f"{100 * needed / read / seconds:.0f} %" if needed else "",
    ]


def measure(
    theirs: dict[str, StepAt],
    own: dict[str, Backend[Any, Any]],
    position: int,
    batches: Sequence[int],
    num_rounds: int,
) -> None:
    """Print the table of one position."""
    num_steps = (num_rounds + 1) * STEPS_A_ROUND
    references = [Contender(name, 1, step_at(position)) for name, step_at in theirs.items()]
    others = [
        our_contender(name, backend, batch, position, num_steps)
        for name, backend in own.items()
        for batch in batches
    ]
    read = race([*references, *others], num_rounds)
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
        f"transformers {name}": transformers_step(size, DTYPES[name])
        for name in arguments.references
    }
    if arguments.peer == "audiocraft":
        theirs["audiocraft fp32"] = audiocraft_step(size)
    own = {name: ours(size, name) for name in arguments.precisions}
    print(f"{size}, random weights, {NUM_TEXT_TOKENS} text tokens; medians of {arguments.rounds}")
    packages = ("torch", "transformers", *((arguments.peer,) if arguments.peer else ()))
    print(f"{describe(*packages)}; {torch.get_num_threads()} threads")
    for position in arguments.positions:
        measure(theirs, own, position, arguments.batches, arguments.rounds)


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
