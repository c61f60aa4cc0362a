"""A checkpoint of an official model's true shapes with random weights: as slow, but no music.

    python -m benchmarks.random_musicgen models/facebook/musicgen-small --size small

Its tokenizer is the one of the tests.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT

CARD = 2048
#: A file that tells such a folder from one of real weights.
MARK = "RANDOM_WEIGHTS"
TOKENIZER = ROOT / "tests/fixtures/musicgen/mono/huggingface"
TOKENIZER_FILES = ("spiece.model", "tokenizer.json", "tokenizer_config.json")
T5_BASE = {"d_model": 768, "d_ff": 3072, "d_kv": 64, "num_layers": 12, "num_heads": 12}
ENCODEC_32KHZ = {
    "codebook_size": CARD,
    "codebook_dim": 128,
    "hidden_size": 128,
    "num_filters": 64,
    "upsampling_ratios": [8, 5, 4, 4],
    "target_bandwidths": [2.2],
    "sampling_rate": 32_000,
    "use_causal_conv": False,
    "use_conv_shortcut": False,
}
#: Width, layers, heads and codebooks of the language models.
SHAPES = {
    "small": (1024, 24, 16, 4),
    "medium": (1536, 48, 24, 4),
    "large": (2048, 48, 32, 4),
    "stereo-small": (1024, 24, 16, 8),
    "stereo-medium": (1536, 48, 24, 8),
    "stereo-large": (2048, 48, 32, 8),
}


def config_of(size: str) -> Any:
    """What transformers needs to know of `size`, one of `SHAPES`."""
    from transformers import MusicgenConfig

    dim, num_layers, num_heads, num_codebooks = SHAPES[size]
    decoder = {
        "model_type": "musicgen_decoder",
        "vocab_size": CARD,
        "hidden_size": dim,
        "ffn_dim": 4 * dim,
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "num_codebooks": num_codebooks,
        "audio_channels": num_codebooks // 4,
        "pad_token_id": CARD,
        "bos_token_id": CARD,
    }
    return MusicgenConfig(
        text_encoder={"model_type": "t5", "vocab_size": 32_128, **T5_BASE},
        audio_encoder={"model_type": "encodec", **ENCODEC_32KHZ},
        decoder=decoder,
    )


def write(folder: Path, size: str = "small") -> Path:
    """Fill `folder` in Hugging Face's layout: 2.4 GB for small."""
    import torch
    from transformers import MusicgenForConditionalGeneration

    torch.manual_seed(0)
    model = MusicgenForConditionalGeneration(config_of(size))
    model.generation_config.guidance_scale = 3.0
    model.save_pretrained(folder)
    (folder / MARK).touch()
    for name in TOKENIZER_FILES:
        shutil.copy(TOKENIZER / name, folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SHAPES, default="small")
    arguments = parser.parse_args()
    print(f"{write(arguments.folder, arguments.size)}: {arguments.size}, random weights")


if __name__ == "__main__":
    main()
