"""From a folder to modules with weights, whichever of the two layouts the folder has."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import T5Config, T5EncoderModel

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.checkpoints.tensors import (
    Parts,
    StoredTensors,
    read_pickle,
    read_safetensors,
)
from server.models.musicgen.checkpoint import audiocraft, huggingface
from server.models.musicgen.checkpoint.config import (
    DEFAULT_WINDOW_SECONDS,
    CodecConfig,
    LanguageModelConfig,
    MusicGenConfig,
    reading,
)
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.text_encoder import TextEncoder, empty_t5, read_tokenizer
from server.models.musicgen.transformer import LanguageModel

DEFAULT_GUIDANCE = 3.0
#: A published name (the codec, the text encoder) → the folder that holds it.
Find = Callable[[str], Path]
#: A whole T5 has a decoder too, which nobody needs here.
T5_UNUSED = re.compile(r"(decoder\.|lm_head\.).*|encoder\.embed_tokens\.weight")


@dataclass(frozen=True)
class Checkpoint:
    """A MusicGen, its tensors mapped from its files as they are there."""

    config: MusicGenConfig
    language_model: LanguageModel
    codec: Codec
    text_encoder: TextEncoder


def load(folder: Path, find: Find) -> Checkpoint:
    """Read the checkpoint in `folder`; `find` gives the folders of others that it points to.

    Raises `WrongCheckpoint`.
    """
    if (folder / "config.json").exists():
        return _load_huggingface(folder)
    if (folder / audiocraft.LANGUAGE_MODEL_FILE).exists():
        return _load_audiocraft(folder, find)
    raise WrongCheckpoint(
        "the folder holds neither config.json with model.safetensors (Hugging Face's layout) "
        "nor state_dict.bin (audiocraft's)"
    )


def _load_huggingface(folder: Path) -> Checkpoint:
    raw = huggingface.read_config(folder)
    config = sizes_of(raw, huggingface.read_guidance(folder, DEFAULT_GUIDANCE))
    tensors = read_safetensors(folder)
    model, codec = _empty(config)
    by_codebook = huggingface.language_model_parts(config.language_model.num_codebooks)
    tensors.fill(
        model, lambda name: by_codebook.get(name) or huggingface.language_model_names(name)
    )
    tensors.fill(codec, huggingface.codec_names_in("audio_encoder.", config.codec.num_codebooks))
    t5 = empty_t5(raw.text_encoder)
    tensors.fill(t5, huggingface.t5_name_in("text_encoder."))
    tensors.check_all_used(huggingface.UNUSED)
    encoder = TextEncoder(t5, read_tokenizer(folder, t5.config.vocab_size))
    return complete(config, model, codec, encoder)


def sizes_of(raw: Any, guidance: float = DEFAULT_GUIDANCE) -> MusicGenConfig:
    """Of a configuration of transformers, which says no guidance."""
    sizes = huggingface.language_model_config(raw)
    channels = raw.decoder.audio_channels
    codec = huggingface.codec_config(raw.audio_encoder, sizes.num_codebooks // channels)
    window_frames = DEFAULT_WINDOW_SECONDS * codec.frame_rate
    t5 = raw.text_encoder.to_dict()
    return MusicGenConfig(sizes, codec, channels, window_frames, guidance, t5)


def _load_audiocraft(folder: Path, find: Find) -> Checkpoint:
    fields, tensors = audiocraft.read(folder / audiocraft.LANGUAGE_MODEL_FILE)
    text_encoder = _published_text_encoder(audiocraft.t5_name(fields), find)
    t5_config = text_encoder.model.config
    sizes = audiocraft.language_model_config(fields, t5_config.d_model)
    channels = audiocraft.channels_of(fields)
    codec = _audiocraft_codec(folder / audiocraft.CODEC_FILE, sizes, channels, find)
    seconds = fields.number("dataset.segment_duration", DEFAULT_WINDOW_SECONDS)
    config = MusicGenConfig(
        sizes,
        codec.config,
        channels,
        int(seconds * codec.config.frame_rate),
        fields.number("classifier_free_guidance.inference_coef", DEFAULT_GUIDANCE),
        t5_config.to_dict(),
    )
    with torch.device("meta"):
        model = LanguageModel(sizes)
    by_codebook = audiocraft.language_model_parts(sizes.num_codebooks)
    tensors.fill(
        model, lambda name: by_codebook.get(name) or (audiocraft.language_model_name(name),)
    )
    tensors.check_all_used(audiocraft.UNUSED)
    return complete(config, model, codec, text_encoder)


def _audiocraft_codec(file: Path, sizes: LanguageModelConfig, channels: int, find: Find) -> Codec:
    """The codec in `file`, or the published one that it points to."""
    pointer = audiocraft.codec_pointer(file)
    if pointer is not None:
        return _published_codec(pointer, find, sizes.num_codebooks // channels)
    fields, tensors = audiocraft.read(file)
    codec_sizes = audiocraft.codec_config(fields)
    codebooks = tuple(audiocraft.codebook_name(k) for k in range(codec_sizes.num_codebooks))

    def parts(name: str) -> tuple[str, ...]:
        return codebooks if name == "quantizer.codebooks" else (audiocraft.codec_name(name),)

    return _filled_codec(codec_sizes, tensors, parts, audiocraft.UNUSED)


def _published_codec(name: str, find: Find, num_codebooks: int) -> Codec:
    folder = find(name)
    with reading(name):
        sizes = huggingface.codec_config(huggingface.read_codec_config(folder), num_codebooks)
        parts = huggingface.codec_names_in("", num_codebooks)
        return _filled_codec(sizes, read_safetensors(folder), parts, huggingface.UNUSED)


def _published_text_encoder(name: str, find: Find) -> TextEncoder:
    folder = find(name)
    with reading(name):
        t5 = _read_t5(folder, huggingface.read_t5_config(folder))
        return TextEncoder(t5, read_tokenizer(folder, t5.config.vocab_size))


def _filled_codec(
    sizes: CodecConfig, tensors: StoredTensors, parts: Parts, unused: re.Pattern[str]
) -> Codec:
    with torch.device("meta"):
        codec = Codec(sizes)
    tensors.fill(codec, parts)
    tensors.check_all_used(unused)
    return codec


def _read_t5(folder: Path, config: T5Config) -> T5EncoderModel:
    if (folder / "model.safetensors").exists() or not (folder / "pytorch_model.bin").exists():
        tensors = read_safetensors(folder)
    else:
        plain = read_pickle(folder / "pytorch_model.bin")
        weights = {name: value for name, value in plain.items() if isinstance(value, torch.Tensor)}
        tensors = StoredTensors("pytorch_model.bin", weights)
    t5 = empty_t5(config)
    tensors.fill(t5, huggingface.t5_name_in(""))
    tensors.check_all_used(T5_UNUSED)
    return t5


def _empty(config: MusicGenConfig) -> tuple[LanguageModel, Codec]:
    with torch.device("meta"):
        return LanguageModel(config.language_model), Codec(config.codec)


def complete(
    config: MusicGenConfig,
    model: LanguageModel,
    codec: Codec,
    text_encoder: TextEncoder,
) -> Checkpoint:
    """Of modules that have their weights."""
    text_encoder.model.tie_weights()  # or a device gets its table of words twice
    for module in (model, codec, text_encoder.model):
        module.requires_grad_(False).eval()
    return Checkpoint(config, model, codec, text_encoder)
