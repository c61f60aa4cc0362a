"""Devices and number formats: which one is taken, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from server.errors import Unavailable
from server.models.musicgen.cpu import instructions
from server.models.musicgen.devices import choose_precision, companion_dtype

CPU, CUDA, MPS = map(torch.device, ("cpu", "cuda", "mps"))


@pytest.fixture(params=["flags : sse avx512_bf16", "Features : asimd bf16", "flags : avx2", None])
def has_bf16(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """Whether the CPU that this machine now seems to have multiplies bf16."""
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(instructions, "CPU_INFO", info)
    if request.param is not None:
        info.write_text(f"model name : any\n{request.param}\n")
    return "bf16" in (request.param or "")


def test_auto_on_a_cpu(has_bf16: bool) -> None:
    assert choose_precision("auto", CPU) == ("bf16" if has_bf16 else "fp32")


def test_auto_elsewhere() -> None:
    assert choose_precision("auto", CUDA) == "fp16"
    assert choose_precision("auto", MPS) == "fp32"


@pytest.mark.parametrize("device", [CPU, CUDA, MPS])
@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for(wanted: str, device: torch.device) -> None:
    assert choose_precision(wanted, device) == wanted


def test_int8_is_for_cpus_and_cuda() -> None:
    assert choose_precision("int8", CPU) == choose_precision("int8", CUDA) == "int8"
    with pytest.raises(Unavailable, match="no PRECISION=int8 on mps") as refused:
        choose_precision("int8", MPS)
    assert refused.value.remedy == "Set one of: auto, fp32, bf16, fp16"


def test_the_text_encoder_and_the_codec(has_bf16: bool) -> None:
    fast = torch.bfloat16 if has_bf16 else torch.float32
    assert companion_dtype("int8", CPU) == companion_dtype("bf16", CPU) == fast
    assert companion_dtype("fp32", CPU) == torch.float32
    assert companion_dtype("fp16", CUDA) == companion_dtype("bf16", CUDA) == torch.float32
    assert companion_dtype("int8", CUDA) == torch.float32
