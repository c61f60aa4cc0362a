"""The memory that the documents state is what the shapes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from torch import nn
from transformers import T5Config

from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.checkpoint.config import CodecConfig, LanguageModelConfig
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.text_encoder import empty_t5
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.variants import VARIANTS, Variant

DOCS = Path(__file__).parents[3] / "docs"
#: Width, layers and heads, as the published configurations have them.
SIZES = {"small": (1024, 24, 16), "medium": (1536, 48, 24), "large": (2048, 48, 32)}
FRAME_RATE = 50
T5_BASE = T5Config(vocab_size=32_128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)
CODEC = CodecConfig(
    sample_rate=32_000, num_filters=64, dimension=128, ratios=(8, 5, 4, 4), num_residual_layers=1,
    dilation_growth=2, kernel_size=7, last_kernel_size=7, residual_kernel_size=3, compress=2,
    num_lstm_layers=2, num_codebooks=4, codebook_size=2048, pad_mode="reflect", conv_shortcut=False,
)  # fmt: skip


def sizes_of(variant: Variant) -> LanguageModelConfig:
    dim, num_layers, num_heads = SIZES[variant.size]
    num_codebooks = 4 * variant.channels
    delays = tuple(k // variant.channels for k in range(num_codebooks))
    melody_frames = 235 if variant.hears_melodies else 0
    return LanguageModelConfig(
        dim, num_heads, num_layers, 4 * dim, num_codebooks, 2048, T5_BASE.d_model, delays,
        melody_frames,
    )  # fmt: skip


def num_bytes(module: nn.Module) -> int:
    return sum(weight.nbytes for weight in module.parameters())


class Needs:
    """Bytes that a variant takes in `dtype`."""

    def __init__(self, variant: Variant, dtype: torch.dtype) -> None:
        sizes = sizes_of(variant)
        with torch.device("meta"):
            model, codec = LanguageModel(sizes), Codec(CODEC)
        model.place(torch.device("meta"), dtype)
        self.weights = num_bytes(model)
        # keys and values, of the rows with and without the text
        self.position = 2 * 2 * sizes.num_layers * sizes.dim * dtype.itemsize
        self.second = FRAME_RATE * self.position
        num_positions = sizes.num_prefix(0) + 30 * FRAME_RATE + sizes.max_delay
        self.window = whole_pages(num_positions) * self.position
        self.always = num_bytes(codec) + num_bytes(empty_t5(T5_BASE))
        self.all = self.weights + self.window + self.always


def gigabytes(*nums: int) -> str:
    return " / ".join(f"{num / 1e9:.1f}" for num in nums) + " GB"


def row(page: str, name: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_table_of_memory_is_true(name: str) -> None:
    full, half = (Needs(VARIANTS[name], dtype) for dtype in (torch.float32, torch.float16))
    assert row("musicgen.md", name)[3:] == [
        gigabytes(full.weights, half.weights),
        f"{full.second / 1e6:.0f} / {half.second / 1e6:.0f} MB",
        gigabytes(full.window, half.window),
        gigabytes(full.all, half.all),
    ]
    needs = f"{full.all / 1e9:.1f} GB in fp32, {half.all / 1e9:.1f} GB in fp16"
    assert needs in row("models.md", name)[2]


def test_what_is_always_in_memory_is_stated() -> None:
    with torch.device("meta"):
        codec = Codec(CODEC)
    parts = (num_bytes(empty_t5(T5_BASE)), num_bytes(codec))
    text = (DOCS / "musicgen.md").read_text("utf-8")
    said = re.search(r"T5-base \(([\d.]+) GB\) and the codec \(([\d.]+) GB\)", text)
    assert said is not None
    assert [f"{part / 1e9:.2f}" for part in parts] == list(said.groups())
