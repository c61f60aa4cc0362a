"""How much memory a checkpoint takes, judged from its files or published sizes. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from server.models.base import ModelOptions
from server.models.memory import may_have_gpu
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.cpu.instructions import has_bf16
from server.models.musicgen.cpu.library import is_usable
from server.models.musicgen.variants import VARIANTS, Variant
from server.models.musicgen.wish import MAX_TEXT_TOKENS

#: Width and layers, as the published configurations have them.
SIZES = {"small": (1024, 24), "medium": (1536, 48), "large": (2048, 48)}
CODEBOOK_SIZE = 2048
CODEBOOKS_PER_CHANNEL = 4
#: Numbers in T5-base's encoder, and how wide a state of it is.
T5_NUMBERS, T5_WIDTH = 109_628_544, 768
#: In the 32 kHz codec: what makes sound, and what hears it.
DECODER_NUMBERS, ENCODER_NUMBERS = 28_438_305, 29_487_008
#: 30 s of frames, and the delay of the last codebook.
WINDOW_POSITIONS = 1503
#: 30 s of melody and an empty text before that, in models that hear melodies.
PREFIX_POSITIONS = 236
PITCH_CLASSES = 12
#: Bytes of a number; in int8 with the step that it shares with others.
BYTES: dict[str, float] = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1.07}
#: A header of safetensors that is longer is none.
LONGEST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Footprint:
    """How many numbers a checkpoint holds, and how many a position of a sequence adds.

    `products` are those of matrix products, `companions` those of the text encoder and of the
    codec's decoder; `others` are always float32, as are the vectors that stand before the tokens
    in models that hear melodies, each of `prefix_dim` numbers.
    """

    products: int
    companions: int
    others: int
    per_position: int
    prefix_dim: int = 0

    def num_bytes(self, widths: Widths, num_slots: int) -> int:
        """With `num_slots` windows of keys and values, in whole pages."""
        positions = WINDOW_POSITIONS + (PREFIX_POSITIONS if self.prefix_dim else 0)
        remembered = num_slots * whole_pages(positions) * self.per_position
        return 4 * self.others + round(
            widths.products * self.products
            + widths.companions * self.companions
            + widths.remembered * remembered
        )

    def serving_bytes(self, widths: Widths, num_requests: int) -> int:
        """That, and the keys and values of a text as long as there can be."""
        if self.prefix_dim:  # it has a place in both rows
            text_bytes = widths.remembered * self.per_position + 4 * self.prefix_dim
        else:
            text_bytes = widths.texts * self.per_position / 2
        return self.num_bytes(widths, num_requests) + round(MAX_TEXT_TOKENS * text_bytes)


@dataclass(frozen=True)
class Widths:
    """Bytes of a number: of the weights of products, of what is remembered of positions and of
    texts, and of the companions."""

    products: float
    remembered: float
    texts: float
    companions: float


def widths_of(options: ModelOptions) -> Widths:
    """Of the precision that is chosen, as `devices` chooses it and `build` builds it."""
    precision = _precision(options)
    on_cpu = not may_have_gpu(options.device)
    fast = on_cpu and precision in ("bf16", "int8") and has_bf16()
    remembered, texts = precision, precision
    if precision == "int8" and on_cpu:
        remembered, texts = ("int8", "bf16") if is_usable() else ("fp32", "fp32")
    names = (precision, remembered, texts, "bf16" if fast else "fp32")
    return Widths(*(BYTES[name] for name in names))


def _precision(options: ModelOptions) -> str:
    if options.precision != "auto":
        return options.precision
    if may_have_gpu(options.device):
        return "fp16"
    return "bf16" if has_bf16() else "fp32"


def judge(name: str, folder: Path | None) -> Footprint:
    """The footprint of what is in `folder`, or of what is published as `name`."""
    try:
        if folder is not None and (headers := list(_headers(folder))):
            return _counted(headers)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # a damaged file: the load will say so
    if name in VARIANTS:
        return _published(VARIANTS[name])
    return Footprint(0, 0, 0, 0) if folder is None else _weighed(folder)


def _published(variant: Variant) -> Footprint:
    dim, num_layers = SIZES[variant.size]
    num_codebooks = CODEBOOKS_PER_CHANNEL * variant.channels
    num_attentions = 1 if variant.hears_melodies else 2
    attentions, feed_forward = num_attentions * 4 * dim**2, 2 * 4 * dim**2
    norms = (num_attentions + 1) * 2 * dim
    heads = num_codebooks * CODEBOOK_SIZE * dim
    embeddings = num_codebooks * (CODEBOOK_SIZE + 1) * dim
    projection = (T5_WIDTH + 1) * dim
    if variant.hears_melodies:
        projection += (PITCH_CLASSES + 1) * dim
    return Footprint(
        products=num_layers * (attentions + feed_forward) + heads,
        companions=T5_NUMBERS + DECODER_NUMBERS,
        others=num_layers * norms + 2 * dim + embeddings + projection + ENCODER_NUMBERS,
        per_position=_per_position(num_layers * dim),
        prefix_dim=dim if variant.hears_melodies else 0,
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
    companions = sum(
        prod(shape)
        for name, shape in shapes.items()
        if name.startswith(("text_encoder.", "audio_encoder.decoder."))
    )
    others = sum(prod(shape) for shape in shapes.values()) - products - companions
    prefix_dim, _ = shapes.get("audio_enc_to_dec_proj.weight", (0, 0))
    return Footprint(products, companions, others, _per_position(sum(widths)), prefix_dim)


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
        numbers,
        T5_NUMBERS + DECODER_NUMBERS,
        ENCODER_NUMBERS,
        _per_position(numbers // (16 * narrowest)),
    )
