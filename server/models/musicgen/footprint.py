"""How much memory a checkpoint takes, judged from its files or published sizes. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from server.models.base import ModelOptions
from server.models.memory import may_have_gpu
from server.models.musicgen.variants import VARIANTS, Variant
from server.models.musicgen.wish import MAX_TEXT_TOKENS

#: Width and layers, as the published configurations have them.
SIZES = {"small": (1024, 24), "medium": (1536, 48), "large": (2048, 48)}
CODEBOOK_SIZE = 2048
CODEBOOKS_PER_CHANNEL = 4
#: Numbers in T5-base's encoder and in the 32 kHz codec, and how wide a state of T5-base is.
T5_NUMBERS, CODEC_NUMBERS, T5_WIDTH = 109_628_544, 57_925_313, 768
#: 30 s of frames, and the delay of the last codebook.
WINDOW_POSITIONS = 1503
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
#: A header of safetensors that is longer is none.
LONGEST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Footprint:
    """How many numbers a checkpoint holds, and how many a position of a sequence adds.

    `products` are those of matrix products, which are kept in the precision that is chosen, as are
    keys and values; `others` are always float32.
    """

    products: int
    others: int
    per_position: int

    def num_bytes(self, width_bytes: int, num_slots: int) -> int:
        """With `num_slots` windows of keys and values, in a precision of `width_bytes`."""
        cached = num_slots * WINDOW_POSITIONS * self.per_position
        return width_bytes * (self.products + cached) + 4 * self.others

    def serving_bytes(self, width_bytes: int, num_requests: int) -> int:
        """That, and the keys and values of a text as long as there can be."""
        text_positions = MAX_TEXT_TOKENS // 2  # one row of two sees it
        text_bytes = width_bytes * text_positions * self.per_position
        return self.num_bytes(width_bytes, num_requests) + text_bytes


def width_bytes(options: ModelOptions) -> int:
    """Of a number in the precision that is chosen; auto may be fp16 only on a GPU."""
    if options.precision == "auto":
        return BYTES["fp16" if may_have_gpu(options.device) else "fp32"]
    return BYTES[options.precision]


def judge(name: str, folder: Path | None) -> Footprint:
    """The footprint of what is in `folder`, or of what is published as `name`."""
    try:
        if folder is not None and (headers := list(_headers(folder))):
            return _counted(headers)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # a damaged file: the load will say so
    if name in VARIANTS:
        return _published(VARIANTS[name])
    return Footprint(0, 0, 0) if folder is None else _weighed(folder)


def _published(variant: Variant) -> Footprint:
    dim, num_layers = SIZES[variant.size]
    num_codebooks = CODEBOOKS_PER_CHANNEL * variant.channels
    attentions, feed_forward, norms = 2 * 4 * dim**2, 2 * 4 * dim**2, 3 * 2 * dim
    heads = num_codebooks * CODEBOOK_SIZE * dim
    embeddings = num_codebooks * (CODEBOOK_SIZE + 1) * dim
    projection = (T5_WIDTH + 1) * dim
    return Footprint(
        products=num_layers * (attentions + feed_forward) + heads,
        others=num_layers * norms + 2 * dim + embeddings + projection + T5_NUMBERS + CODEC_NUMBERS,
        per_position=_per_position(num_layers * dim),
    )


def _per_position(total_width: int) -> int:
    """Keys and values, with and without the text, of layers so wide together."""
    return 2 * 2 * total_width


def _counted(headers: list[dict[str, tuple[int, ...]]]) -> Footprint:
    shapes = {name: shape for header in headers for name, shape in header.items()}
    language_model = {name: shape for name, shape in shapes.items() if name.startswith("decoder.")}
    products = sum(
        prod(shape)
        for name, shape in language_model.items()
        if len(shape) == 2 and (".layers." in name or ".lm_heads." in name)
    )
    widths = [s[0] for n, s in language_model.items() if n.endswith("self_attn.k_proj.weight")]
    others = sum(prod(shape) for shape in shapes.values()) - products
    return Footprint(products, others, _per_position(sum(widths)))


def _headers(folder: Path) -> Iterator[dict[str, tuple[int, ...]]]:
    """Name → shape of each safetensors file of a checkpoint."""
    for file in sorted(folder.glob("model*.safetensors")):
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > LONGEST_HEADER_BYTES:
                raise ValueError("not a file of safetensors")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        yield {name: tuple(tensor["shape"]) for name, tensor in header.items()}


def _weighed(folder: Path) -> Footprint:
    """By the size of its files, which hold two bytes a number, at the least as published."""
    language_model = folder / "state_dict.bin"
    numbers = language_model.stat().st_size // 2 if language_model.exists() else 0
    narrowest = SIZES["small"][0]
    # a layer has 16 numbers for each square of its width
    return Footprint(
        numbers, T5_NUMBERS + CODEC_NUMBERS, _per_position(numbers // (16 * narrowest))
    )
