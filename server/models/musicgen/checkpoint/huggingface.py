"""The layout of transformers: `config.json`, safetensors (whole or in shards), a tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import EncodecConfig, MusicgenConfig, MusicgenMelodyConfig, T5Config

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.tensors import read_json
from server.models.musicgen import chroma
from server.models.musicgen.checkpoint.config import CodecConfig, LanguageModelConfig, require

#: Statistics that only training needs, a table that old versions saved, and tied weights.
UNUSED = re.compile(
    r".*\.codebook\.(inited|cluster_size|embed_avg)"
    r"|decoder\.model\.decoder\.embed_positions\.weights"
    r"|(text_encoder\.)?encoder\.embed_tokens\.weight"
)
LONGEST_REASON = 200

#: `model_type` → what reads its configuration.
CONFIGURATIONS: dict[object, Any] = {
    "musicgen": MusicgenConfig,
    "musicgen_melody": MusicgenMelodyConfig,
}


def read_config(folder: Path) -> Any:
    """`config.json` as transformers reads it, its defaults filled in."""
    found = read_json(folder / "config.json")
    kind = found.get("model_type")
    if kind not in CONFIGURATIONS:
        allowed = ", ".join(map(str, CONFIGURATIONS))
        raise WrongCheckpoint(f"config.json: model_type is {kind!r}; can be run: {allowed}")
    config = parsed(CONFIGURATIONS[kind].from_dict, found)
    require("text_encoder.model_type", config.text_encoder.model_type, "t5")
    require("audio_encoder.model_type", config.audio_encoder.model_type, "encodec")
    return config


def read_t5_config(folder: Path) -> Any:
    """The `config.json` of a text encoder published on its own."""
    found = read_json(folder / "config.json")
    require("text encoder's config.json: model_type", found.get("model_type"), "t5")
    return parsed(T5Config.from_dict, found)


def read_codec_config(folder: Path) -> Any:
    """The `config.json` of a codec published on its own."""
    found = read_json(folder / "config.json")
    require("config.json: model_type", found.get("model_type"), "encodec")
    return parsed(EncodecConfig.from_dict, found)


def parsed(parse: Callable[[dict[str, object]], Any], found: dict[str, object]) -> Any:
    """What `parse` of transformers makes of a `config.json`. Raises `WrongCheckpoint`."""
    try:
        return parse(found)
    except Exception as error:  # each version of transformers has types of its own
        words = " ".join(str(error).split())[:LONGEST_REASON]
        raise WrongCheckpoint(f"config.json cannot be read: {words}") from error


def read_guidance(folder: Path, default: float) -> float:
    """The guidance that `generation_config.json` recommends, where there is one."""
    file = folder / "generation_config.json"
    scale = read_json(file).get("guidance_scale") if file.exists() else None
    if scale is None:
        return default
    if not isinstance(scale, int | float):
        raise WrongCheckpoint(f"{file.name}: guidance_scale is {scale!r}; must be a number")
    return float(scale)


def language_model_config(config: Any) -> LanguageModelConfig:
    """Sizes of the transformer; refuses what this implementation does not run."""
    decoder = config.decoder
    require("decoder.activation_function", decoder.activation_function, "gelu")
    require("decoder.scale_embedding", decoder.scale_embedding, False)
    num_codebooks, channels = decoder.num_codebooks, decoder.audio_channels
    return LanguageModelConfig(
        dim=decoder.hidden_size,
        num_heads=decoder.num_attention_heads,
        num_layers=decoder.num_hidden_layers,
        ffn_dim=decoder.ffn_dim,
        num_codebooks=num_codebooks,
        codebook_size=decoder.vocab_size,
        text_dim=config.text_encoder.d_model,
        # The layout does not state them: each codebook is one step later, channels side by side.
        delays=tuple(k // channels for k in range(num_codebooks)),
        melody_frames=_melody_frames(config),
    )


def _melody_frames(config: Any) -> int:
    if config.model_type != "musicgen_melody":
        return 0
    require("num_chroma", config.num_chroma, chroma.NUM_CLASSES)
    return int(config.chroma_length)


def codec_config(codec: Any, num_codebooks: int) -> CodecConfig:
    """Sizes of the codec; refuses what this implementation does not run."""
    for field, allowed in (
        ("audio_channels", 1),
        ("use_causal_conv", False),
        ("norm_type", "weight_norm"),
        ("normalize", False),
        ("chunk_length_s", None),
    ):
        require(f"audio_encoder.{field}", getattr(codec, field), allowed)
    return CodecConfig(
        sample_rate=codec.sampling_rate,
        num_filters=codec.num_filters,
        dimension=codec.hidden_size,
        ratios=tuple(codec.upsampling_ratios),
        num_residual_layers=codec.num_residual_layers,
        dilation_growth=codec.dilation_growth_rate,
        kernel_size=codec.kernel_size,
        last_kernel_size=codec.last_kernel_size,
        residual_kernel_size=codec.residual_kernel_size,
        compress=codec.compress,
        num_lstm_layers=codec.num_lstm_layers,
        num_codebooks=num_codebooks,
        codebook_size=codec.codebook_size,
        pad_mode=codec.pad_mode,
        conv_shortcut=codec.use_conv_shortcut,
    )


def language_model_parts(num_codebooks: int) -> dict[str, tuple[str, ...]]:
    """Canonical names whose tensors lie in the file codebook by codebook."""
    stem = "decoder.model.decoder.embed_tokens"
    return {
        "embeddings.weight": tuple(f"{stem}.{k}.weight" for k in range(num_codebooks)),
        "heads.weight": tuple(f"decoder.lm_heads.{k}.weight" for k in range(num_codebooks)),
    }


RENAMES = (
    (r"^melody_projection\.", "audio_enc_to_dec_proj."),
    (r"^text_projection\.", "enc_to_dec_proj."),
    (r"^layers\.", "decoder.model.decoder.layers."),
    (r"^norm\.", "decoder.model.decoder.layer_norm."),
    (r"\.self_attention\.", ".self_attn."),
    (r"\.cross_attention\.", ".encoder_attn."),
    (r"\.out\.", ".out_proj."),
    (r"\.linear(\d)\.", r".fc\1."),
    (r"\.norm1\.", ".self_attn_layer_norm."),
    (r"\.norm_cross\.", ".encoder_attn_layer_norm."),
    (r"\.norm2\.", ".final_layer_norm."),
)
#: What is one tensor here, and the letters of its parts there.
JOINED = {".qkv.": "qkv", ".query.": "q", ".key_value.": "kv"}


def language_model_names(canonical: str) -> tuple[str, ...]:
    """The names in the file: queries, keys and values lie there apart."""
    name = canonical
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    for joined, letters in JOINED.items():
        if joined in name:
            return tuple(name.replace(joined, f".{letter}_proj.") for letter in letters)
    return (name,)


def t5_name_in(prefix: str) -> Callable[[str], tuple[str, ...]]:
    """Names of the text encoder's tensors under `prefix`; its two tied embeddings are one."""

    def name(canonical: str) -> tuple[str, ...]:
        return (prefix + canonical.replace("encoder.embed_tokens.", "shared."),)

    return name


def codec_names_in(prefix: str, num_codebooks: int) -> Callable[[str], tuple[str, ...]]:
    """Names of the codec's tensors under `prefix`."""

    def names(canonical: str) -> tuple[str, ...]:
        if canonical == "quantizer.codebooks":
            stem = f"{prefix}quantizer.layers"
            return tuple(f"{stem}.{k}.codebook.embed" for k in range(num_codebooks))
        return (prefix + canonical.replace(".convtr.", ".conv."),)

    return names
