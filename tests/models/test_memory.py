from __future__ import annotations

from pathlib import Path

from server.models.memory import free_bytes, in_words


def container(folder: Path, allowed: str, used: int, cached: int) -> Path:
    (folder / "memory.max").write_text(f"{allowed}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    return folder


def test_a_container_has_what_it_was_allowed(tmp_path: Path) -> None:
    assert free_bytes(container(tmp_path, "5000", 3000, 700)) == 2700
    assert free_bytes(container(tmp_path, "5000", 6000, 0)) == 0


def test_without_a_limit_it_is_the_machines(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", container(tmp_path, "max", 1, 1)):
        assert free_bytes(folder) > 2**20


def test_sizes_in_words() -> None:
    assert in_words(8_400_000_000) == "8.4 GB"
    assert in_words(1_250_000) == "1.2 MB"
    assert in_words(12) == "12 bytes"
