"""Both layouts, strictly: what is missing, extra, wrong-shaped or damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from safetensors.torch import load_file, save_file

from server.models.musicgen.checkpoint.loading import load
from tests.models.musicgen.references import (
    FIXTURES,
    VARIANTS,
    changed,
    checkpoint,
    folder,
    loaded,
    refusal,
    t5_of,
)

HEAD = "decoder.lm_heads.2.weight"


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_layouts_are_one_model(variant: str) -> None:
    ours, theirs = loaded(variant, "audiocraft"), loaded(variant, "huggingface")
    assert ours.config.language_model == theirs.config.language_model
    assert ours.config.codec == theirs.config.codec
    assert (ours.config.channels, ours.config.window_frames) == (
        theirs.config.channels,
        theirs.config.window_frames,
    )
    for module in ("language_model", "codec"):
        first = getattr(ours, module).state_dict()
        second = getattr(theirs, module).state_dict()
        assert first.keys() == second.keys()
        for name in first:
            assert torch.allclose(first[name], second[name], rtol=0, atol=1e-6), name


def test_shards_are_one_model(hf: Path) -> None:
    tensors = load_file(hf / "model.safetensors")
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, held in halves.items():
        save_file({name: tensors[name] for name in held}, hf / file)
    (hf / "model.safetensors").unlink()
    weight_map = {name: file for file, held in halves.items() for name in held}
    index = hf / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    made = load(hf, t5_of("mono"))
    expected = checkpoint("mono").language_model.state_dict()
    for name, value in made.language_model.state_dict().items():
        assert torch.equal(value, expected[name])
    (hf / "model-2.safetensors").unlink()
    assert "model-2.safetensors is missing" in refusal(hf)


def spoil(hf: Path, **changes: torch.Tensor | None) -> None:
    tensors = load_file(hf / "model.safetensors")
    for name, value in changes.items():
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    save_file(tensors, hf / "model.safetensors")


SPOILT = [
    ({HEAD: None}, f"lacks {HEAD}"),
    ({HEAD: torch.zeros(64, 127)}, f"{HEAD} has shape [64, 127]"),
    ({"decoder.what": torch.zeros(1)}, "no known use: decoder.what"),
    (
        {"audio_encoder.decoder.layers.0.conv.weight_g": None},
        "lacks audio_encoder.decoder.layers.0.conv.weight_g",
    ),
    ({"text_encoder.shared.weight": None}, "lacks text_encoder.shared.weight"),
    ({"enc_to_dec_proj.bias": torch.zeros(3)}, "enc_to_dec_proj.bias has shape [3]"),
    (
        {"audio_encoder.quantizer.layers.1.codebook.embed": torch.zeros(64, 9)},
        "audio_encoder.quantizer.layers.1.codebook.embed has shape [64, 9]",
    ),
    ({HEAD: torch.zeros(64, 128, dtype=torch.int32)}, f"{HEAD} is torch.int32"),
    (
        {"audio_encoder.decoder.layers.0.conv.weight_v": torch.tensor(1.0)},
        "audio_encoder.decoder.layers.0.conv.weight_g has shape [32, 1, 1], not []",
    ),
]


@pytest.mark.parametrize(("changes", "words"), SPOILT, ids=[words for _, words in SPOILT])
def test_a_wrong_tensor_is_named(
    hf: Path, changes: dict[str, torch.Tensor | None], words: str
) -> None:
    spoil(hf, **changes)
    assert words in refusal(hf)


def test_an_old_position_table_is_no_extra_tensor(hf: Path) -> None:
    spoil(hf, **{"decoder.model.decoder.embed_positions.weights": torch.zeros(2048, 128)})
    load(hf, t5_of("mono"))


def test_a_codec_may_be_a_pointer_to_a_published_one(ac: Path, tmp_path: Path) -> None:
    published = tmp_path / "encodec"
    published.mkdir()
    whole = json.loads((folder("mono", "huggingface") / "config.json").read_text())
    (published / "config.json").write_text(json.dumps(whole["audio_encoder"]))
    stem = "audio_encoder."
    tensors = load_file(folder("mono", "huggingface") / "model.safetensors")
    codec = {k.removeprefix(stem): v for k, v in tensors.items() if k.startswith(stem)}
    save_file(codec, published / "model.safetensors")
    pointer = {"pretrained": "facebook/encodec_32khz", "exported": True, "version": "1"}
    torch.save(pointer, ac / "compression_state_dict.bin")
    places = {"facebook/encodec_32khz": published, "t5-base": FIXTURES / "mono" / "t5"}
    made = load(ac, places.__getitem__)
    codes = torch.arange(20).reshape(4, 5)
    assert torch.equal(made.codec.decode(codes, 1), checkpoint("mono").codec.decode(codes, 1))


CONFIGS = [
    ("positional_embedding: sin", "positional_embedding: rope", "positional_embedding"),
    ("norm_first: true", "norm_first: false", "norm_first"),
    ("num_layers: 2", "num_layers: 3", "lacks transformer.layers.2."),
    ("num_layers: 2", "num_layers: 1", "no known use: transformer.layers.1."),
    ("dim: 128", "dim: 129", "no multiple"),
    ("n_q: 4", "n_q: 5", "delays"),
    ("modeling: delay", "modeling: parallel", "codebooks_pattern.modeling"),
    ("card: 64", "card: 32", "but the codec has 64"),
    ("lm_model: transformer_lm", "", "has no lm_model"),
    ("dim: 128", "dim: [", "no YAML"),
    ("dim: 128", "dim: -128", "dim -128; must be integers from 1"),
    ("dim: 128", "dim: .nan", "transformer_lm.dim is nan"),
    ("dim: 128", "dim: 1000000000", "dim 1000000000; must be integers from 1 to 131072"),
    ("num_heads: 2", "num_heads: 0", "num_heads 0; must be integers from 1"),
    ("n_q: 4", "n_q: true", "num_codebooks True"),
    ("card: 64", "card: ${transformer_lm.card}", "transformer_lm.card refers to itself"),
    ("segment_duration: 30", "segment_duration: .nan", "dataset.segment_duration is nan"),
    ("segment_duration: 30", "segment_duration: 0", "the window has 0 frames"),
    ("inference_coef: 3.0", "inference_coef: .inf", "inference_coef is inf"),
    ("inference_coef: 3.0", "inference_coef: -3.0", "the guidance is -3.0"),
]


@pytest.mark.parametrize(("old", "new", "words"), CONFIGS)
def test_what_cannot_be_run_is_named(ac: Path, old: str, new: str, words: str) -> None:
    text = torch.load(ac / "state_dict.bin", weights_only=True)["xp.cfg"]
    assert old in text
    changed(ac, "state_dict.bin", **{"xp.cfg": text.replace(old, new, 1)})
    assert words in refusal(ac)


HF_CONFIGS = [
    ("decoder.num_attention_heads", 0, "num_heads 0; must be integers from 1"),
    ("decoder.num_hidden_layers", float("nan"), "nan"),
    ("decoder.ffn_dim", -1, "ffn_dim -1; must be integers from 1"),
    ("decoder.audio_channels", 3, "3 channels"),
    ("audio_encoder.sampling_rate", 0, "sample_rate 0; must be integers from 1"),
    ("audio_encoder.sampling_rate", 32_001, "sample_rate 32001 is no multiple of the 640"),
    ("audio_encoder.upsampling_ratios", [8, 5, 4, 0], "ratios (8, 5, 4, 0)"),
    ("audio_encoder.compress", 0, "compress 0"),
    ("audio_encoder.model_type", "dac", "audio_encoder.model_type is 'dac'"),
    ("text_encoder.model_type", "bert", "text_encoder.model_type is 'bert'"),
    ("text_encoder.d_ff", -1, "the text encoder's configuration is impossible"),
    ("text_encoder.vocab_size", 200, "shared.weight has shape [248, 32]"),
    ("decoder", [1], "config.json cannot be read"),
]


@pytest.mark.parametrize(("field", "value", "words"), HF_CONFIGS)
def test_an_impossible_configuration_is_named(
    hf: Path, field: str, value: object, words: str
) -> None:
    config = json.loads((hf / "config.json").read_text())
    *parents, last = field.split(".")
    part = config
    for parent in parents:
        part = part[parent]
    part[last] = value
    (hf / "config.json").write_text(json.dumps(config))
    assert words in refusal(hf)


@pytest.mark.parametrize("scale", [float("nan"), -1, "3"])
def test_an_impossible_guidance_is_named(hf: Path, scale: object) -> None:
    (hf / "generation_config.json").write_text(json.dumps({"guidance_scale": scale}))
    assert "guidance" in refusal(hf)


def test_one_setting_may_refer_to_another(ac: Path) -> None:
    text = torch.load(ac / "compression_state_dict.bin", weights_only=True)["xp.cfg"]
    other = text.replace("channels: 1", "channels: ${encodec.channels}", 1)
    changed(ac, "compression_state_dict.bin", **{"xp.cfg": other})
    assert load(ac, t5_of("mono")).config.codec == checkpoint("mono").config.codec


def test_another_kind_of_model_is_refused(hf: Path, tmp_path: Path) -> None:
    config = json.loads((hf / "config.json").read_text())
    (hf / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert "'bert'; can be run: musicgen, musicgen_melody" in refusal(hf)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds neither" in refusal(empty)
