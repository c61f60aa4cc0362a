"""Files are read strictly: what is wrong with one is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.checkpoints.errors import WrongCheckpoint
from server.models.diffrhythm.checkpoint import read_config, read_transformer, read_vae
from server.models.diffrhythm.frames import LONG_FRAMES, SHORT_FRAMES
from server.models.diffrhythm.transformer import TransformerConfig
from tests.models.tiny_diffrhythm import FIXTURES

FINAL = "transformer.proj_out.weight"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "base", tmp_path / "base"))


def refusal(folder: Path, most_frames: int = SHORT_FRAMES) -> str:
    with pytest.raises(WrongCheckpoint) as raised:
        read_transformer(folder, most_frames)
    assert str(folder.parent) not in str(raised.value)
    return str(raised.value)


def change(folder: Path, **changes: torch.Tensor | None) -> None:
    """Replace tensors of the file, or take them out."""
    file = folder / "cfm_model.pt"
    state = torch.load(file, weights_only=True)["model_state_dict"]
    for name, value in changes.items():
        state.pop(name, None)
        if value is not None:
            state[name] = value
    torch.save({"model_state_dict": state}, file)


def test_a_missing_tensor_is_named(base: Path) -> None:
    change(base, **{FINAL: None})
    assert refusal(base) == f"cfm_model.pt lacks {FINAL}"


def test_an_extra_tensor_is_named(base: Path) -> None:
    change(base, **{"transformer.more": torch.zeros(1)})
    assert refusal(base) == "cfm_model.pt has tensors of no known use: transformer.more"


def test_a_tensor_of_another_shape_is_named(base: Path) -> None:
    change(base, **{FINAL: torch.zeros(64, 255)})
    assert refusal(base) == (
        f"cfm_model.pt: {FINAL} has shape [64, 255]; the configuration asks for [64, 256]"
    )


def test_the_model_for_other_lengths_is_refused(base: Path) -> None:
    assert "lacks transformer.duration_time_embed.time_mlp.0.weight" in refusal(base, LONG_FRAMES)
    full = FIXTURES / "full"
    assert "of no known use: transformer.duration_time_embed" in refusal(full, SHORT_FRAMES)


def test_without_a_configuration_the_published_sizes_are_meant(base: Path) -> None:
    (base / "config.json").unlink()
    assert read_config(base, SHORT_FRAMES) == TransformerConfig()
    assert "the configuration asks for [2048, 256]" not in refusal(base)
    assert "has shape" in refusal(base) or "lacks" in refusal(base)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dim": 250}, "dim is 250; must be a multiple of 64"),
        ({"dim": "wide"}, "dim is 'wide'; must be an integer"),
        ({"depth": 0}, "depth is 0; must be an integer from 1"),
        ({"depth": 10**9}, "depth is 1000000000; must be an integer from 1"),
        ({"text_dim": 256}, "text_dim is 256; must be 512"),
        ({"mel_dim": 100}, "mel_dim is 100; must be 64"),
    ],
)
def test_a_wrong_configuration_is_named(base: Path, change: dict[str, object], said: str) -> None:
    fields = json.loads((base / "config.json").read_text())
    fields["model"].update(change)
    (base / "config.json").write_text(json.dumps(fields))
    assert said in refusal(base)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(base: Path, content: bytes) -> None:
    (base / "cfm_model.pt").write_bytes(content)
    assert refusal(base).startswith("cfm_model.pt is incomplete, damaged or something else")


def test_a_missing_file_is_named(base: Path) -> None:
    (base / "cfm_model.pt").unlink()
    assert refusal(base) == "cfm_model.pt is missing; fetch it"


@pytest.mark.parametrize("content", [{}, {"model_state_dict": 1}, {"model_state_dict": {"a": 1}}])
def test_a_file_of_another_form_is_refused(base: Path, content: object) -> None:
    torch.save(content, base / "cfm_model.pt")
    assert refusal(base).startswith("cfm_model.pt")


class Mute(torch.nn.Module):
    """No autoencoder."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Wide(torch.nn.Module):
    """Makes too much."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def decode_export(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (None, "vae_model.pt is missing; fetch it"),
        (Mute, "vae_model.pt has no decode_export that works"),
        (Wide, "decode_export makes [1, 64, 2] of [1, 64, 2]; must be [1, 2, 4096]"),
    ],
)
def test_an_autoencoder_that_is_none_is_refused(
    tmp_path: Path, module: type[torch.nn.Module] | None, said: str
) -> None:
    if module is not None:
        torch.jit.script(module()).save(tmp_path / "vae_model.pt")
    with pytest.raises(WrongCheckpoint) as raised:
        read_vae(tmp_path)
    assert said in str(raised.value)


def test_a_damaged_autoencoder_is_refused(tmp_path: Path) -> None:
    whole = (FIXTURES / "vae_model.pt").read_bytes()
    (tmp_path / "vae_model.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WrongCheckpoint, match=r"vae_model.pt is incomplete or damaged"):
        read_vae(tmp_path)
