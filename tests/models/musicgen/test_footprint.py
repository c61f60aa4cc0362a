"""What a model is judged to take, what it takes, and what comes back."""

from __future__ import annotations

import ctypes
import gc
import json
import platform
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from safetensors.torch import load_file, save_file

from server.errors import Unavailable
from server.models.base import ModelOptions
from server.models.musicgen import footprint
from server.models.musicgen.cpu import library
from server.models.musicgen.footprint import Widths, judge, widths_of
from server.models.musicgen.model import MusicGen
from server.models.musicgen.variants import VARIANTS
from tests.models.conformance import events_of
from tests.models.musicgen.test_memory_tables import Needs
from tests.models.musicgen.test_model import request
from tests.models.tiny_melody import melody_checkpoints
from tests.models.tiny_musicgen import FIXTURES, STEREO_NAME, TINY_NAME, tiny_checkpoints
from tests.service.test_service import until


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("width", "dtype"), [(4, torch.float32), (2, torch.float16)])
def test_a_published_model_is_judged_by_its_shapes(
    name: str, width: int, dtype: torch.dtype
) -> None:
    widths = Widths(width, width, width, 4)
    assert judge(name, None).num_bytes(widths, 1) == Needs(VARIANTS[name], dtype).all


@pytest.fixture(params=["compiled", "torch"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What computes on the CPU, whether a compiled library is installed here or not."""
    compiled = request.param == "compiled"
    file = request.getfixturevalue("library_file") if compiled else Path("nowhere")
    monkeypatch.setattr(library, "LIBRARY", file)
    library.installed.cache_clear()
    yield request.param
    library.installed.cache_clear()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", [TINY_NAME, STEREO_NAME, "facebook/musicgen-melody"])
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("precision", ["auto", "fp32", "int8"])
async def test_what_is_on_the_disk_is_judged_by_it(
    tmp_path: Path, name: str, slots: int, precision: str
) -> None:
    folder = (melody_checkpoints if "melody" in name else tiny_checkpoints)(tmp_path)
    options = ModelOptions(models_dir=folder, max_batch=slots, device="cpu", precision=precision)
    model = MusicGen(name, options)
    wanted_bytes = model.wanted_bytes()
    await model.load()
    assert model.memory_bytes <= wanted_bytes <= 1.1 * model.memory_bytes
    assert (model.needed_bytes() == wanted_bytes) == (slots == 1)
    await model.close()


async def test_audiocrafts_files_are_judged_by_their_size(tmp_path: Path) -> None:
    folder = FIXTURES / "mono" / "audiocraft"
    options = ModelOptions(checkpoints={"mine": folder}, device="cpu", precision="fp32")
    model = MusicGen("mine", options)
    codec_and_t5_bytes = 670_000_000
    assert codec_and_t5_bytes < model.needed_bytes() < codec_and_t5_bytes + 10_000_000


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff" * 20, b"\x02" + bytes(7) + b"[]"])
def test_a_damaged_file_is_judged_as_published(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert judge(TINY_NAME, tmp_path) == judge(TINY_NAME, None)
    assert judge("mine", tmp_path).num_bytes(Widths(4, 4, 4, 4), 1) > 0


def test_the_precision_counts() -> None:
    widths = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1.07}
    for precision, width in widths.items():
        assert widths_of(ModelOptions(precision=precision)).products == width
    on_cuda = widths_of(ModelOptions(device="cuda"))
    assert (on_cuda.products, on_cuda.companions) == (2, 4)
    assert widths_of(ModelOptions(device="cuda", precision="int8")) == Widths(1.07, 1.07, 1.07, 4)


@pytest.mark.parametrize(("fast", "width"), [(True, 2), (False, 4)])
def test_what_the_cpu_can_do_counts(
    monkeypatch: pytest.MonkeyPatch, backend: str, fast: bool, width: int
) -> None:
    monkeypatch.setattr(footprint, "has_bf16", lambda: fast)
    assert widths_of(ModelOptions(device="cpu")) == Widths(width, width, width, width)
    remembered, texts = (1.07, 2) if backend == "compiled" else (4, 4)
    int8 = widths_of(ModelOptions(device="cpu", precision="int8"))
    assert int8 == Widths(1.07, remembered, texts, width)


WIDE, DEEP = 7_680, 16
LAYER = re.compile(r"(decoder\.model\.decoder\.layers)\.0\.(.*)")
MEGABYTE = 10**6


def wide_checkpoint(folder: Path) -> Path:
    """The tiny mono model, so wide and deep that its memory shows: 128 MB."""
    shutil.copytree(FIXTURES / "mono" / "huggingface", folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["decoder"] |= {"ffn_dim": WIDE, "num_hidden_layers": DEEP}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in list(tensors.items()):
        if first := LAYER.fullmatch(name):
            for index in range(DEEP):
                tensors[f"{first[1]}.{index}.{first[2]}"] = widened(name, tensor).clone()
    save_file(tensors, folder / "model.safetensors")
    return folder


def widened(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """With the hidden units of a feed-forward layer repeated."""
    if name.endswith("fc1.weight"):
        return tensor.repeat(WIDE // tensor.shape[0], 1)
    return tensor.repeat(1, WIDE // tensor.shape[1]) if name.endswith("fc2.weight") else tensor


def resident_bytes() -> int:
    """Without what earlier tests freed and the C library keeps, where it can be told to let go."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


async def test_unloading_frees_memory_and_thread_each_time(tmp_path: Path) -> None:
    folder = wide_checkpoint(tmp_path / "wide")
    options = ModelOptions(
        checkpoints={"wide": folder}, device="cpu", max_batch=2, precision="fp32"
    )
    warm = MusicGen(TINY_NAME, ModelOptions(models_dir=tiny_checkpoints(tmp_path / "tiny")))
    await warm.load()  # torch is in memory now
    await warm.close()
    gc.collect()
    before = resident_bytes()
    gc.disable()  # unloading must not depend on it
    try:
        for _ in range(2):
            model = MusicGen("wide", options)
            await model.load()
            await events_of(model, request(1))
            assert resident_bytes() > before + 100 * MEGABYTE
            assert model.memory_bytes > 120 * MEGABYTE
            await model.close()
            await until(lambda: resident_bytes() < before + 40 * MEGABYTE)
            assert not [t for t in threading.enumerate() if t.name == "wide engine"]
    finally:
        gc.enable()


async def test_a_load_that_fails_frees_what_it_had_read(tmp_path: Path) -> None:
    folder = wide_checkpoint(tmp_path / "wide")
    tensors = load_file(folder / "model.safetensors")
    del tensors["decoder.lm_heads.0.weight"]
    save_file(tensors, folder / "model.safetensors")
    del tensors
    before = resident_bytes()
    model = MusicGen("wide", ModelOptions(checkpoints={"wide": folder}, device="cpu"))
    with pytest.raises(Unavailable, match="lm_heads"):
        await model.load()
    await model.close()

    def freed() -> bool:
        gc.collect()  # the error had all of it in its frames
        return resident_bytes() < before + 40 * MEGABYTE

    await until(freed)
