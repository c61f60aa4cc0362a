"""Files that came half, or as something else: an error at load, with the remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.errors import Unavailable
from server.models.base import ModelOptions
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.musicgen.build import build
from server.models.musicgen.checkpoint.loading import load
from tests.models.musicgen.references import FIXTURES, changed, refusal
from tests.models.tiny_musicgen import TINY_NAME


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("left", [0, 100, 0.6])
def test_a_half_downloaded_file_is_said_with_the_remedy(hf: Path, file: str, left: float) -> None:
    (hf / "spiece.model").unlink()
    whole = (hf / file).read_bytes()
    (hf / file).write_bytes(whole[: int(len(whole) * left) if left < 1 else int(left)])
    said = refusal(hf)
    assert file in said
    assert "fetch" in said


@pytest.mark.parametrize("file", ["state_dict.bin", "compression_state_dict.bin"])
@pytest.mark.parametrize("left", [0, 100, 0.6])
def test_a_half_downloaded_pickle_too(ac: Path, file: str, left: float) -> None:
    whole = (ac / file).read_bytes()
    (ac / file).write_bytes(whole[: int(len(whole) * left) if left < 1 else int(left)])
    said = refusal(ac)
    assert file in said
    assert "fetch it again" in said


PAGE = b"<!DOCTYPE html><html><body>Too many requests</body></html>" * 20
HF_FILES = ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"]
AC_FILES = ["state_dict.bin", "compression_state_dict.bin"]


@pytest.mark.parametrize("layout", ["hf", "ac"])
def test_a_page_saved_as_a_file_is_said(layout: str, request: pytest.FixtureRequest) -> None:
    where = request.getfixturevalue(layout)
    for file in HF_FILES if layout == "hf" else AC_FILES:
        whole = (where / file).read_bytes()
        (where / file).write_bytes(PAGE)
        said = refusal(where)
        assert file in said
        assert "fetch" in said
        assert "weights_only" not in said  # a library's advice to run what is in the file
        (where / file).write_bytes(whole)


@pytest.mark.parametrize("file", [*HF_FILES[:2], *AC_FILES])
def test_what_cannot_be_read_is_said_without_its_folder(hf: Path, ac: Path, file: str) -> None:
    where = hf if file in HF_FILES else ac
    (where / file).unlink()
    (where / file).mkdir()
    assert f"{file} cannot be read (Is a directory); make it readable" in refusal(where)


def test_a_tokenizer_that_did_not_come_is_missed(hf: Path, ac: Path, tmp_path: Path) -> None:
    t5 = Path(shutil.copytree(FIXTURES / "mono" / "t5", tmp_path / "t5"))
    for folder_ in (hf, t5):
        for name in ("tokenizer.json", "spiece.model"):
            (folder_ / name).unlink()
    assert refusal(hf) == "tokenizer.json is missing; fetch it"
    with pytest.raises(WrongCheckpoint, match=r"tokenizer\.json is missing; fetch it"):
        load(ac, lambda name: t5)


def test_a_tokenizer_of_another_model_is_refused(hf: Path) -> None:
    known = json.loads((hf / "tokenizer.json").read_text())
    known["model"]["vocab"] += [[f"word{number}", -9.0] for number in range(300)]
    (hf / "tokenizer.json").write_text(json.dumps(known))
    assert "tokens, but the text encoder 248" in refusal(hf)


def test_tensors_without_names_are_refused(ac: Path) -> None:
    changed(ac, "state_dict.bin", best_state={1: torch.zeros(2)})
    assert "state_dict.bin has no best_state of named tensors" in refusal(ac)


class Command:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code was run",)


def test_a_pickle_that_runs_code_is_refused(ac: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"best_state": {}, "xp.cfg": Command()}, ac / "state_dict.bin")
    assert "state_dict.bin" in refusal(ac)
    assert "code was run" not in capsys.readouterr().out


def said_of(name: str, models_dir: Path, **options: object) -> Unavailable:
    with pytest.raises(Unavailable) as raised:
        build(name, ModelOptions(models_dir, **options), 1, lambda activity: None)  # type: ignore[arg-type]
    assert str(models_dir) not in raised.value.message
    return raised.value


def test_a_damaged_text_encoder_is_not_taken_for_the_model(ac: Path, tmp_path: Path) -> None:
    """Each has a model.safetensors, and another command fetches it."""
    (tmp_path / "facebook").mkdir()
    ac.rename(tmp_path / TINY_NAME)
    t5 = Path(shutil.copytree(FIXTURES / "mono" / "t5", tmp_path / "t5-base"))
    (t5 / "model.safetensors").write_bytes(PAGE)
    error = said_of(TINY_NAME, tmp_path)
    assert error.reason.startswith("the files of t5-base cannot be used: model.safetensors is")
    assert "`hf download google-t5/t5-base`" in error.remedy
    shutil.rmtree(t5)
    t5.mkdir()
    assert "config.json is missing" in said_of(TINY_NAME, tmp_path).reason


def test_no_command_fetches_a_folder_of_the_operators_own(hf: Path, tmp_path: Path) -> None:
    (hf / "model.safetensors").unlink()
    error = said_of("mine", tmp_path, checkpoints={"mine": hf})
    assert "hf download" not in error.message
    assert "Put whole files of a MusicGen into the folder" in error.remedy


def test_a_folder_that_the_disk_does_not_give_is_said(tmp_path: Path) -> None:
    impossible = tmp_path / ("x" * 300)
    for error in (
        said_of(TINY_NAME, impossible),
        said_of("mine", tmp_path, checkpoints={"mine": impossible}),
    ):
        assert "cannot be read (File name too long)" in error.reason
