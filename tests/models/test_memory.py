from __future__ import annotations

import sys
from math import isnan
from pathlib import Path

import psutil
import pytest

from server.models import memory
from server.models.memory import DeviceMemory, free_bytes, in_words, may_have_gpu

GIGABYTE = 10**9


def test_a_budget_is_the_limit_whatever_is_free() -> None:
    budget = DeviceMemory("auto", 12 * GIGABYTE)
    assert budget.known
    assert budget.limit_bytes(0) == budget.limit_bytes(5 * GIGABYTE) == 12 * GIGABYTE


def test_without_one_it_is_what_is_held_and_what_is_free() -> None:
    free = DeviceMemory("cpu", None)
    assert free.known
    total = psutil.virtual_memory().total
    assert 0 < free.limit_bytes(0) < total
    assert free.limit_bytes(total) > total


def test_a_gpu_must_be_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver = tmp_path / "version"
    monkeypatch.setattr(memory, "DRIVERS", (driver,))
    assert not may_have_gpu("auto")
    driver.touch()
    assert [may_have_gpu(device) for device in ("auto", "cuda", "cpu", "mps")] == [
        True,
        True,
        False,
        False,
    ]


def test_where_torch_finds_no_gpu_it_is_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra musicgen")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    asked = DeviceMemory("cuda", None)
    assert not asked.known
    asked.learn()
    assert asked.known
    assert asked.limit_bytes(0) > 0


def test_what_there_is_of_main_memory() -> None:
    free, total = DeviceMemory("cpu", 5).free_and_total_bytes()
    assert 0 < free < total <= psutil.virtual_memory().total


def test_of_a_gpu_nothing_is_said_before_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "find_spec", lambda name: name)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    free, total = DeviceMemory("cuda", 5).free_and_total_bytes()
    assert isnan(free)
    assert isnan(total)


def container(folder: Path, allowed: str, used: int, cached: int = 0) -> Path:
    (folder / "memory.max").write_text(f"{allowed}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\nfile 3\n")
    return folder


def test_a_container_has_what_it_is_allowed(tmp_path: Path) -> None:
    megabyte = 10**6
    assert free_bytes(container(tmp_path, str(300 * megabyte), 100 * megabyte)) == 200 * megabyte
    cached = container(tmp_path, str(300 * megabyte), 100 * megabyte, 50 * megabyte)
    assert free_bytes(cached) == 250 * megabyte
    assert free_bytes(container(tmp_path, str(300 * megabyte), 400 * megabyte)) == 0


@pytest.mark.parametrize("allowed", ["max", "", "much"])
def test_no_limit_is_all_there_is(tmp_path: Path, allowed: str) -> None:
    assert free_bytes(container(tmp_path, allowed, 5)) > 10**7
    assert free_bytes(tmp_path / "nothing") > 10**7


def test_words() -> None:
    assert in_words(8_420_000_000) == "8.4 GB"
    assert in_words(2_500_000) == "2.5 MB"
    assert in_words(12) == "12 bytes"
