"""A MuQ-MuLan of a few thousand numbers, in the folders that the published one would lie in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from muq import MuQ, MuQMuLan
from muq.muq.muq import MuQConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel
from transformers.models.wav2vec2_conformer import Wav2Vec2ConformerConfig

from server.models.diffrhythm.style import AUDIO_MODEL, MODEL, TEXT_MODEL

WIDTH = 32
WORDS = ("<s>", "<pad>", "</s>", "<unk>", "slow", "warm", "jazz", "rock")
STATISTICS = {"melspec_2048_mean": 0.0, "melspec_2048_std": 20.0}
TRANSFORMER = {"dim": WIDTH, "tf_depth": 1, "heads": 2, "dim_head": 8}


def put_muq(models_dir: Path) -> Path:
    """Fill `models_dir` as an operator would."""
    torch.manual_seed(5)
    put_audio_model(models_dir / AUDIO_MODEL)
    put_text_model(models_dir / TEXT_MODEL)
    config = {
        "mulan": {"sr": 24_000, "clip_secs": 10, "dim_latent": 512},
        "audio_model": {"name": str(models_dir / AUDIO_MODEL), "model_dim": WIDTH},
        "text_model": {"name": str(models_dir / TEXT_MODEL), "model_dim": WIDTH},
        "audio_transformer": TRANSFORMER,
        "text_transformer": {**TRANSFORMER, "max_seq_len": 64},
    }
    config["audio_model"]["use_layer_idx"] = -1
    model = MuQMuLan(config)
    model.save_pretrained(models_dir / MODEL, config=config)
    return models_dir


def put_audio_model(folder: Path) -> None:
    conformer = Wav2Vec2ConformerConfig(
        hidden_size=WIDTH, num_attention_heads=2, intermediate_size=WIDTH, num_hidden_layers=2
    )
    config = MuQConfig(
        conv_dim=WIDTH,
        encoder_dim=WIDTH,
        encoder_depth=2,
        codebook_size=16,
        stat=STATISTICS,
        w2v2_config={**json.loads(conformer.to_json_string()), "_attn_implementation": "eager"},
    )
    MuQ(config).save_pretrained(folder, config=vars(config))


def put_text_model(folder: Path) -> None:
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": WIDTH}
    config = XLMRobertaConfig(vocab_size=len(WORDS), num_hidden_layers=1, **sizes)
    XLMRobertaModel(config).save_pretrained(folder)
    numbered = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(numbered, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
