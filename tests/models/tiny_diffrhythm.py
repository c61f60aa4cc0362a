"""A DiffRhythm small enough for tests: random weights in the published layout, and a stand-in for
the style encoder, whose package does not install everywhere."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from server.events import Samples
from server.models.base import ModelOptions
from server.models.diffrhythm.frames import LONG_FRAMES, SHORT_FRAMES
from server.models.diffrhythm.model import DiffRhythm
from server.models.diffrhythm.pieces import TRANSFORMERS, VAE, StyleSource

if TYPE_CHECKING:
    import torch

FIXTURES = Path(__file__).parents[1] / "fixtures" / "diffrhythm"
SIZES = {"dim": 64, "depth": 1, "ff_mult": 1, "conv_layers": 1, "text_num_embeds": 363}
TARGET = "tests.models.tiny_diffrhythm:TinyDiffRhythm"


class StandIn:
    """A style for each text and each sound, [512], that means nothing."""

    num_bytes = 0

    def __init__(self, find: Callable[[str], Path], device: torch.device) -> None:
        self.device = device

    def of_text(self, prompt: str) -> torch.Tensor:
        return self._of(prompt.encode())

    def of_sound(self, samples: Samples) -> torch.Tensor:
        assert samples.shape == (240_000,)
        return self._of(np.ascontiguousarray(samples).tobytes())

    def _of(self, given: bytes) -> torch.Tensor:
        import torch

        seed = int.from_bytes(hashlib.sha256(given).digest()[:4], "little")
        style = torch.randn(512, generator=torch.Generator().manual_seed(seed))
        return style / style.norm()


class TinyDiffRhythm(DiffRhythm):
    """One step in place of 31."""

    style_source: ClassVar[StyleSource] = StyleSource((), (), StandIn)
    num_points: ClassVar[int] = 2


def tiny_options(folder: Path, **changes: object) -> ModelOptions:
    """Everything that `TinyDiffRhythm` needs, put into `folder` as an operator would."""
    models, home = folder / "models", folder / "clone"
    if not models.exists():
        put_weights(models)
        put_clone(home)
    known: dict[str, object] = {
        "models_dir": models,
        "diffrhythm_home": home,
        "downloads": frozenset(),
    }
    return ModelOptions(**{**known, **changes})  # type: ignore[arg-type]


def put_weights(models_dir: Path) -> None:
    for most_frames in (SHORT_FRAMES, LONG_FRAMES):
        put_transformer(models_dir / TRANSFORMERS[most_frames], most_frames)
    (models_dir / VAE).mkdir(parents=True)
    shutil.copy(FIXTURES / "vae_model.pt", models_dir / VAE)


def put_transformer(folder: Path, most_frames: int) -> None:
    import torch

    from server.models.diffrhythm.checkpoint import read_config
    from server.models.diffrhythm.transformer import Transformer

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model": SIZES}))
    torch.manual_seed(most_frames)
    transformer = Transformer(read_config(folder, most_frames)).half()
    state = {f"transformer.{name}": value for name, value in transformer.state_dict().items()}
    torch.save({"model_state_dict": state}, folder / "cfm_model.pt")


def put_clone(home: Path) -> None:
    """What is read of a clone of the published repository, with the toy data for Chinese."""
    sources = home / "g2p" / "sources" / "g2p_chinese_model"
    for path in (home / "g2p" / "g2p", home / "infer" / "example", sources):
        path.mkdir(parents=True)
    shutil.copy(FIXTURES / "vocab.json", home / "g2p" / "g2p")
    with np.load(FIXTURES / "expected.npz") as arrays:
        negative = arrays["negative_style"].astype(np.float32)
    np.save(home / "infer" / "example" / "vocal.npy", negative)
    toy = json.loads((FIXTURES / "zh_toy_data.json").read_text("utf-8"))
    lines = [f"{word}\t{syllables}\n" for word, syllables in toy["lexicon"].items()]
    (home / "g2p" / "sources" / "chinese_lexicon.txt").write_text("".join(lines), "utf-8")
    put_polyphones(sources, toy["polyphones"])


def put_polyphones(folder: Path, readings: dict[str, str]) -> None:
    """Files in the published form, around a model that looks each reading up."""
    characters = list(readings)
    (folder / "polychar.txt").write_text("\n".join(characters), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", *characters]), "utf-8")
    numbered = {
        str(number): f"{character}{{{readings[character]}}}"
        for number, character in enumerate(characters, 1)
    }
    (folder / "polydict.json").write_text(json.dumps(numbered), "utf-8")
    shutil.copy(FIXTURES / "polyphones.onnx", folder / "poly_bert_model.onnx")
