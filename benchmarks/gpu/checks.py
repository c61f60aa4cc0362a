"""Whether what the device computes is right: against the eager model on the CPU in fp32, on tiny
shapes and on a few layers of the true ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.listening import engine_of, play
from benchmarks.gpu.loaded import FIRST_AUDIO_SECONDS
from benchmarks.gpu.report import Key, Table
from benchmarks.machine import ROOT
from benchmarks.random_checkpoint import random_checkpoint, random_language_model, shape_of
from benchmarks.standing import set_aside
from server.models.base import Resources
from server.models.musicgen.backend import Backend
from server.models.musicgen.build import backend_for
from server.models.musicgen.checkpoint.config import LanguageModelConfig, MusicGenConfig
from server.models.musicgen.checkpoint.loading import sizes_of
from server.models.musicgen.devices import Precision
from server.models.musicgen.runner import Runner
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Sampling, Wish

CPU = torch.device("cpu")
TINY = ROOT / "tests/fixtures/musicgen"
MELODY_FRAMES = 21
THIN_LAYERS = 2
#: Of the norm of the scores, which the error may have.
TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 3e-3, "bf16": 2.5e-2, "int8": 8e-2}
#: Where there is int8 its error is told, whatever is measured.
INT8: dict[str, tuple[Precision, ...]] = defaultdict(tuple, cpu=("int8",), cuda=("int8",))
#: The requests of a batch: how many columns lie before, and whether they have a text.
STANDING = ((0, True), (60, True), (700, False), (3, True), (63, False))
NUM_TEXT_TOKENS = 9
NUM_STEPS = 4
WISHES = (
    Wish("slow", 30, 1500, 900, 1, Sampling(top_k=20), 3.0),
    Wish("rock music with bright arpeggio", 22, 1500, 900, 2, Sampling(), 3.0),
    Wish("", 41, 1500, 900, 3, Sampling(1.2, 0, 0.8), 1.5),
    Wish("slow warm jazz", 60, 40, 25, 4, Sampling(0.0), 3.0),
    Wish("rain", 75, 40, 25, 5, Sampling(), 3.0),
)
PLAY_SECONDS = 120
HEADER = ("shape", "precision", "what is wrong", "found", "allowed")


class WrongOutput(Exception):
    """What the device computes is not what the CPU does: its speed means nothing."""


@dataclass(frozen=True)
class Check:
    found: float
    allowed: float

    @property
    def passed(self) -> bool:
        return self.found <= self.allowed  # NaN is not

    @property
    def cells(self) -> list[str]:
        return [f"{self.found:.2g}", f"{self.allowed:.2g}"]


def check_outputs(
    table: Table[Check], device: torch.device, precision: Precision, widths: Sequence[str]
) -> None:
    """Fill `table`; `widths` are the shapes of which thin models are checked too.

    Raises `WrongOutput` at the first check that fails.
    """
    for key, check in _checks(device, precision, widths):
        table.add(key, check)
        table.tell(key)
        if not check.passed:
            raise WrongOutput(f"on {device}: {', '.join(map(str, key))}: {check}")


def _checks(
    device: torch.device, precision: Precision, widths: Sequence[str]
) -> Iterator[tuple[Key, Check]]:
    tiny = tiny_shapes()
    thin = {f"{name}, {THIN_LAYERS} layers": thinned(name) for name in widths}
    sizes = {**{name: config.language_model for name, config in tiny.items()}, **thin}
    for name, config in sizes.items():
        for each in dict.fromkeys(("fp32", precision, *INT8[device.type])):
            error = error_of_scores(config, device, each)
            yield (name, each, "error of the scores"), Check(error, TOLERANCES[each])
    for name, whole in tiny.items():
        yield (name, "fp32", "share of other tokens"), Check(share_of_others(whole, device), 0.0)


def tiny_shapes() -> dict[str, MusicGenConfig]:
    mono, stereo = (
        sizes_of(shape_of(str(TINY / name / "huggingface"))) for name in ("mono", "stereo")
    )
    hears = replace(mono.language_model, melody_frames=MELODY_FRAMES)
    return {
        "tiny": mono,
        "tiny stereo": stereo,
        "tiny melody": replace(mono, language_model=hears),
    }


def thinned(name: str) -> LanguageModelConfig:
    """As wide as the shape `name`, with few layers, so that a CPU can follow."""
    return replace(sizes_of(shape_of(name)).language_model, num_layers=THIN_LAYERS)


@torch.inference_mode()
def error_of_scores(
    config: LanguageModelConfig, device: torch.device, precision: Precision
) -> float:
    """Of the same steps of the same weights, of the norm of what the CPU computes."""
    model = random_language_model(config, device, torch.float32)
    eager = deepcopy(model)
    eager.place(CPU, torch.float32)
    expected = scores_of(eager)
    found = scores_of(backend_for(model, device, precision))
    return float((found - expected).norm() / expected.norm())


def scores_of(backend: Backend[Any, Any]) -> Tensor:
    """Of some steps of requests that stand at different positions, with a text and without."""
    config, chance = backend.config, torch.Generator().manual_seed(0)
    num_prefix = config.num_prefix(NUM_TEXT_TOKENS)
    most_positions = num_prefix + max(before for before, _ in STANDING) + NUM_STEPS
    set_aside(backend, len(STANDING), most_positions, NUM_TEXT_TOKENS)
    text = backend.remember_text(torch.randn(NUM_TEXT_TOKENS, config.text_dim, generator=chance))
    memories, texts, positions = [], [], []
    for before, has_text in STANDING:
        own_text = text if has_text else None
        prefix = backend.prefix(None, own_text)
        memory = backend.reserve(most_positions)
        if prefix.shape[1]:
            backend.read_prefix(prefix, 0, memory)
        if before:
            backend.extend(_columns(config, before, chance), prefix.shape[1], memory, own_text)
        memories.append(memory)
        texts.append(own_text)
        positions.append(prefix.shape[1] + before)
    scores = []
    for step in range(NUM_STEPS):
        newest = _columns(config, len(STANDING), chance).T
        at = [position + step for position in positions]
        scores.append(backend.decode_step(newest, at, memories, texts).cpu())
    return torch.stack(scores)


def _columns(config: LanguageModelConfig, num_columns: int, chance: torch.Generator) -> Tensor:
    """[K, n]"""
    shape = (config.num_codebooks, num_columns)
    return torch.randint(config.codebook_size, shape, generator=chance)


def share_of_others(config: MusicGenConfig, device: torch.device) -> float:
    """Of the tokens of all `WISHES` in one batch on `device`, those that each alone on the CPU does
    not have."""
    found = tokens_of(
        config, device, partial(backend_for, device=device, precision="fp32"), len(WISHES)
    )
    expected = tokens_of(config, CPU, lambda model: model, 1)
    return float((found != expected).float().mean())


def tokens_of(
    config: MusicGenConfig,
    device: torch.device,
    backend_of: Callable[[LanguageModel], Backend[Any, Any]],
    num_slots: int,
) -> Tensor:
    """Of the same weights in fp32, through the engine. Those of all `WISHES`, joined."""
    torch.manual_seed(0)
    checkpoint = random_checkpoint(config, CPU, torch.float32)
    backend = backend_of(checkpoint.language_model)
    runner = Runner(checkpoint, backend, device, torch.float32, FIRST_AUDIO_SECONDS)
    runner.make_room(Resources(num_slots, runner.most_bytes(num_slots)))
    kept: dict[int, Tensor] = {}
    wishes = [replace(w, keep=partial(kept.__setitem__, i)) for i, w in enumerate(WISHES)]
    with engine_of(runner) as engine:
        asked = [(wish, Resources(1, runner.num_bytes(wish))) for wish in wishes]
        play(engine, asked, 0.0, PLAY_SECONDS)
    return torch.cat([kept[index].flatten() for index in sorted(kept)])
