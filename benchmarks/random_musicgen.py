"""A checkpoint of musicgen-small's true shapes with random weights: as slow, but no music.

Its tokenizer is the one of the tests.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.machine import ROOT

CARD = 2048
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
DECODER = {
    "vocab_size": CARD,
    "hidden_size": 1024,
    "ffn_dim": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_codebooks": 4,
    "pad_token_id": CARD,
    "bos_token_id": CARD,
}


def write(folder: Path) -> Path:
    """Fill `folder` in Hugging Face's layout: 2.4 GB."""
    import torch
    from transformers import MusicgenConfig, MusicgenForConditionalGeneration

    config = MusicgenConfig(
        text_encoder={"model_type": "t5", "vocab_size": 32_128, **T5_BASE},
        audio_encoder={"model_type": "encodec", **ENCODEC_32KHZ},
        decoder={"model_type": "musicgen_decoder", **DECODER},
    )
    torch.manual_seed(0)
    model = MusicgenForConditionalGeneration(config)
    model.generation_config.guidance_scale = 3.0
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copy(TOKENIZER / name, folder)
    return folder
