"""One step of DiffRhythm's sampler at its true size, and what songs would need of such steps.

The weights are random: a step takes as long with any. Only a step of a song of 95 s is measured;
all else is reckoned from it, and said to be.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise

import torch

from benchmarks.machine import describe
from benchmarks.streams import table
from server.models.devices import num_bytes
from server.models.diffrhythm.frames import LATENT_DIM, SHORT_FRAMES, num_frames
from server.models.diffrhythm.layers import CONDITION_DIM
from server.models.diffrhythm.sampler import Song, noise, sample
from server.models.diffrhythm.schedule import NUM_POINTS
from server.models.diffrhythm.transformer import Transformer, TransformerConfig

SONGS = (95, 285)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
#: With its conditions and without.
NUM_ROWS = 2
NUM_STEPS = NUM_POINTS - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=DTYPES, default="fp32")
    parser.add_argument("--steps", type=int, default=1, help="steps to measure, after none")
    given = parser.parse_args()
    print(describe("torch"), f"; {torch.get_num_threads()} threads, {given.device}", sep="")
    config = TransformerConfig(max_frames=SHORT_FRAMES)
    model = random_transformer(config, given.device, DTYPES[given.precision])
    print(f"{count(model) / 1e9:.3f} G parameters, {num_bytes(model) / 1e9:.1f} GB")
    measured = seconds_a_step(model, given.steps)
    print(f"measured: a step of a song of 95 s, {given.precision}: {measured:.2f} s\n")
    rows = [reckoned(config, seconds, measured, count(model)) for seconds in SONGS]
    head = ["song", "frames", "operations a step", "a step", f"{NUM_STEPS} steps"]
    table("Reckoned from that, without reading and decoding", head, rows)


def random_transformer(config: TransformerConfig, device: str, dtype: torch.dtype) -> Transformer:
    with torch.device("meta"):
        model = Transformer(config).to(dtype)
    model = model.to_empty(device=device).requires_grad_(False).eval()
    for tensor in model.parameters():
        tensor.uniform_(-0.02, 0.02)
    return model


def count(model: Transformer) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def seconds_a_step(model: Transformer, num_steps: int) -> float:
    """The quickest of `num_steps`, with both rows; the conditions are embedded before."""
    style = torch.randn(CONDITION_DIM)
    frames = SHORT_FRAMES
    song = Song(
        torch.randint(0, 300, (frames,)),
        style,
        -style,
        torch.zeros(frames, LATENT_DIM),
        torch.ones(frames, dtype=torch.bool),
        1.0,
    )
    start = noise(frames, torch.Generator().manual_seed(1))
    times = [time.perf_counter()]
    for latent in sample(model, song, start, num_points=num_steps + 1):
        latent.sum().item()  # waits for a GPU
        times.append(time.perf_counter())
    return min(after - before for before, after in pairwise(times))


def operations(config: TransformerConfig, frames: int, num_parameters: int) -> float:
    """Of a step: two for each parameter and frame, and the products of attention."""
    attention = 4 * frames**2 * config.dim * config.depth
    return float(NUM_ROWS * (2 * num_parameters * frames + attention))


def reckoned(
    config: TransformerConfig, seconds: int, measured: float, num_parameters: int
) -> list[str]:
    frames = num_frames(seconds)
    wanted = operations(config, frames, num_parameters)
    known = operations(config, SHORT_FRAMES, num_parameters)
    step = measured * wanted / known
    all_steps = f"{step * NUM_STEPS:.0f} s"
    return [f"{seconds} s", str(frames), f"{wanted / 1e12:.1f} T", f"{step:.1f} s", all_steps]


if __name__ == "__main__":
    main()
