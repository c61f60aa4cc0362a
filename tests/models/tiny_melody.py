"""A tiny checkpoint that hears melodies, in both layouts: made from the one of the fixtures.

Its cross-attention is left out and a projection of melodies, random, put in.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.models.tiny_musicgen import FIXTURES

MELODY_NAMES = {
    "facebook/musicgen-melody": "mono",
    "facebook/musicgen-stereo-melody": "stereo",
}
MELODY_FRAMES = 235


def tiny_melody(folder: Path, variant: str = "mono", layout: str = "huggingface") -> Path:
    """Write the checkpoint to `folder`, which must not be there."""
    shutil.copytree(FIXTURES / variant / layout, folder)
    {"huggingface": _as_huggingface, "audiocraft": _as_audiocraft}[layout](folder)
    return folder


def melody_checkpoints(models_dir: Path) -> Path:
    """Both, mono and stereo, where an operator would put them."""
    for name, variant in MELODY_NAMES.items():
        tiny_melody(models_dir / name, variant)
    return models_dir


def _projection(dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(dim, 12, generator=generator), torch.randn(dim, generator=generator) / 4


def _as_huggingface(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "musicgen_melody", "num_chroma": 12, "chroma_length": MELODY_FRAMES}
    config["architectures"] = ["MusicgenMelodyForConditionalGeneration"]
    config["decoder"]["model_type"] = "musicgen_melody_decoder"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    file = folder / "model.safetensors"
    tensors = {name: value for name, value in load_file(file).items() if "encoder_attn" not in name}
    weight, bias = _projection(config["decoder"]["hidden_size"])
    tensors["audio_enc_to_dec_proj.weight"], tensors["audio_enc_to_dec_proj.bias"] = weight, bias
    save_file(tensors, file)


def _as_audiocraft(folder: Path) -> None:
    file = folder / "state_dict.bin"
    package = torch.load(file, weights_only=True)
    config = yaml.safe_load(package["xp.cfg"])
    config["fuser"] |= {"cross": [], "prepend": ["self_wav", "description"]}
    config["conditioners"]["self_wav"] = {
        "model": "chroma_stem",
        "chroma_stem": {
            "sample_rate": "${sample_rate}",
            "n_chroma": 12,
            "radix2_exp": 14,
            "argmax": True,
            "match_len_on_eval": True,
        },
    }
    package["xp.cfg"] = yaml.safe_dump(config)
    state = package["best_state"]
    for name in [name for name in state if "cross" in name]:
        del state[name]
    weight, bias = _projection(config["transformer_lm"]["dim"])
    stem = "condition_provider.conditioners.self_wav."
    state[stem + "output_proj.weight"], state[stem + "output_proj.bias"] = weight, bias
    state[stem + "chroma.spec.window"] = torch.hann_window(16_384)
    torch.save(package, file)
