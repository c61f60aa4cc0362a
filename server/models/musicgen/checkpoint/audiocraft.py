"""The layout of the audiocraft package: `state_dict.bin` and `compression_state_dict.bin`.

Each is a dictionary with `best_state` (the tensors) and `xp.cfg` (the configuration, as YAML text).
The text encoder is not in it, and the codec may be a pointer to one on the Hugging Face hub.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from torch import Tensor

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.tensors import StoredTensors, read_pickle
from server.models.musicgen import chroma
from server.models.musicgen.checkpoint.config import (
    DEFAULT_WINDOW_SECONDS,
    CodecConfig,
    LanguageModelConfig,
    require,
)

LANGUAGE_MODEL_FILE = "state_dict.bin"
CODEC_FILE = "compression_state_dict.bin"
#: Statistics that only training needs, and a window that is computed here.
UNUSED = re.compile(r".*\._codebook\.(inited|cluster_size|embed_avg)|.*\.chroma\.spec\.window")
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
CROSS = ".cross_attention.in_proj_weight"
#: What is one tensor here, and where it lies in the one there.
JOINED = {"qkv": "", "query": "[q]", "key_value": "[kv]"}
CONDITIONS = {
    "text_projection": "condition_provider.conditioners.description.output_proj",
    "melody_projection": "condition_provider.conditioners.self_wav.output_proj",
}
#: What a model looks at by cross-attention, and what stands before its tokens, in this order.
TEXT_ONLY: tuple[list[str], list[str]] = (["description"], [])
MELODY_AND_TEXT: tuple[list[str], list[str]] = ([], ["self_wav", "description"])


class Fields:
    """A configuration by dotted path; `${a.b}` in it stands for the value at a.b."""

    def __init__(self, source: str, text: object) -> None:
        self._source = source
        try:
            self._tree = yaml.safe_load(str(text))
        except yaml.YAMLError as error:
            raise WrongCheckpoint(f"{source}: xp.cfg is no YAML") from error

    def __call__(self, path: str, default: object = None) -> object:
        """The value at `path`; without a `default` it must be there."""
        visited: list[str] = []
        while path not in visited:
            visited.append(path)
            found = self._at(path)
            value = default if found is None else found
            if value is None:
                raise WrongCheckpoint(f"{self._source}: xp.cfg has no {path}")
            reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if reference is None:
                return value
            path = reference[1]
        raise WrongCheckpoint(f"{self._source}: xp.cfg: {path} refers to itself")

    def _at(self, path: str) -> object:
        value: object = self._tree
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def integer(self, path: str, default: int | None = None) -> int:
        value = self(path, default)
        if not isinstance(value, int):
            raise WrongCheckpoint(f"{self._source}: {path} is {value!r}; must be an integer")
        return value

    def number(self, path: str, default: float) -> float:
        value = self(path, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise WrongCheckpoint(f"{self._source}: {path} is {value!r}; must be a finite number")
        return float(value)

    def integers(self, path: str) -> tuple[int, ...]:
        value = self(path)
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise WrongCheckpoint(f"{self._source}: {path} is {value!r}; must be integers")
        return tuple(value)


def read(file: Path) -> tuple[Fields, StoredTensors]:
    """The configuration and the tensors of one of the two files."""
    package = read_pickle(file)
    tensors = package.get("best_state")
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        raise WrongCheckpoint(f"{file.name} has no best_state of named tensors")
    fields = Fields(file.name, package.get("xp.cfg", ""))
    return fields, StoredTensors(file.name, _with_queries_apart(tensors))


def _with_queries_apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cross-attention's projections, one tensor in the file, as that of queries and the others."""
    apart = dict(tensors)
    for name, fused in tensors.items():
        if name.endswith(CROSS) and fused.dim():
            del apart[name]
            num_queries = len(fused) // 3
            apart[f"{name}[q]"], apart[f"{name}[kv]"] = fused[:num_queries], fused[num_queries:]
    return apart


def codec_pointer(file: Path) -> str | None:
    """The name of the codec that `file` stands for, if it holds none itself."""
    pretrained = read_pickle(file).get("pretrained")
    return None if pretrained is None else str(pretrained)


def language_model_config(fields: Fields, text_dim: int) -> LanguageModelConfig:
    """Sizes of the transformer; refuses what this implementation does not run."""
    require("lm_model", fields("lm_model"), "transformer_lm")
    require("codebooks_pattern.modeling", fields("codebooks_pattern.modeling"), "delay")
    lm = "transformer_lm."
    require(lm + "positional_embedding", fields(lm + "positional_embedding"), "sin")
    require(lm + "norm_first", fields(lm + "norm_first"), True)
    require(lm + "activation", fields(lm + "activation", "gelu"), "gelu")
    for bias in ("bias_ff", "bias_attn", "bias_proj", "qk_layer_norm"):
        require(lm + bias, fields(lm + bias, False), False)
    dim = fields.integer(lm + "dim")
    return LanguageModelConfig(
        dim=dim,
        num_heads=fields.integer(lm + "num_heads"),
        num_layers=fields.integer(lm + "num_layers"),
        ffn_dim=dim * fields.integer(lm + "hidden_scale"),
        num_codebooks=fields.integer(lm + "n_q"),
        codebook_size=fields.integer(lm + "card"),
        text_dim=text_dim,
        delays=fields.integers("codebooks_pattern.delay.delays"),
        melody_frames=_melody_frames(fields),
    )


def _melody_frames(fields: Fields) -> int:
    fused = (fields("fuser.cross", []), fields("fuser.prepend", []))
    if fused == TEXT_ONLY:
        return 0
    require("fuser.cross and fuser.prepend", fused, MELODY_AND_TEXT)
    stem = "conditioners.self_wav."
    require(stem + "model", fields(stem + "model"), "chroma_stem")
    stem += "chroma_stem."
    require(stem + "n_chroma", fields(stem + "n_chroma"), chroma.NUM_CLASSES)
    require(stem + "argmax", fields(stem + "argmax"), True)
    require(
        stem + "radix2_exp", fields(stem + "radix2_exp"), chroma.WINDOW_SAMPLES.bit_length() - 1
    )
    seconds = fields.number("dataset.segment_duration", DEFAULT_WINDOW_SECONDS)
    return chroma.num_frames(seconds, fields.integer("sample_rate"))


def codec_config(fields: Fields) -> CodecConfig:
    """Sizes of the codec; refuses what this implementation does not run."""
    require("compression_model", fields("compression_model"), "encodec")
    require("encodec.renormalize", fields("encodec.renormalize", False), False)
    net = "seanet."
    require(net + "channels", fields(net + "channels"), 1)
    require(net + "causal", fields(net + "causal"), False)
    require(net + "norm", fields(net + "norm"), "weight_norm")
    require(net + "activation", fields(net + "activation", "ELU"), "ELU")
    require(net + "decoder.final_activation", fields(net + "decoder.final_activation", ""), "")
    return CodecConfig(
        sample_rate=fields.integer("sample_rate"),
        num_filters=fields.integer(net + "n_filters"),
        dimension=fields.integer(net + "dimension"),
        ratios=fields.integers(net + "ratios"),
        num_residual_layers=fields.integer(net + "n_residual_layers"),
        dilation_growth=fields.integer(net + "dilation_base"),
        kernel_size=fields.integer(net + "kernel_size"),
        last_kernel_size=fields.integer(net + "last_kernel_size"),
        residual_kernel_size=fields.integer(net + "residual_kernel_size"),
        compress=fields.integer(net + "compress"),
        num_lstm_layers=fields.integer(net + "lstm"),
        num_codebooks=fields.integer("rvq.n_q"),
        codebook_size=fields.integer("rvq.bins"),
        pad_mode=str(fields(net + "pad_mode")),
        conv_shortcut=not fields(net + "true_skip"),
    )


def channels_of(fields: Fields) -> int:
    """Channels of the sound; the codebooks of two must alternate left and right."""
    stereo = bool(fields("interleave_stereo_codebooks.use", False))
    if stereo:
        name = "interleave_stereo_codebooks.per_timestep"
        require(name, fields(name, False), False)
    return 2 if stereo else 1


def t5_name(fields: Fields) -> str:
    """The published name of the text encoder."""
    require("conditioners.description.model", fields("conditioners.description.model"), "t5")
    return str(fields("conditioners.description.t5.name"))


def language_model_parts(num_codebooks: int) -> dict[str, tuple[str, ...]]:
    """Canonical names whose tensors lie in the file codebook by codebook."""
    return {
        "embeddings.weight": tuple(f"emb.{k}.weight" for k in range(num_codebooks)),
        "heads.weight": tuple(f"linears.{k}.weight" for k in range(num_codebooks)),
    }


def language_model_name(canonical: str) -> str:
    """The name in the file of a tensor that lies there in one piece."""
    stem, _, end = canonical.partition(".")
    if stem in CONDITIONS:
        return f"{CONDITIONS[stem]}.{end}"
    name = re.sub(r"^layers\.", "transformer.layers.", canonical)
    name = re.sub(r"^norm\.", "out_norm.", name)
    name = name.replace(".self_attention.", ".self_attn.")
    for joined, place in JOINED.items():
        name = name.replace(f".{joined}.weight", f".in_proj_weight{place}")
    return name.replace(".out.", ".out_proj.")


def codec_name(canonical: str) -> str:
    """The name in the file of a tensor of the codec's encoder or decoder."""
    name = re.sub(r"^(encoder|decoder)\.layers\.", r"\1.model.", canonical)
    return name.replace(".conv.", ".conv.conv.").replace(".convtr.", ".convtr.convtr.")


def codebook_name(codebook: int) -> str:
    """The name in the file of a codebook's vectors."""
    return f"quantizer.vq.layers.{codebook}._codebook.embed"
