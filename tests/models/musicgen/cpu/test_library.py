"""Compiling, finding and loading the library, and what is said where that fails."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.models.musicgen.cpu import building, library
from server.models.musicgen.cpu.building import CannotBuild, build
from server.models.musicgen.cpu.library import CannotRun, Library


@pytest.fixture
def library_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the library is looked for, in place of the one that was installed."""
    path = tmp_path / "decode_step.so"
    monkeypatch.setattr(library, "LIBRARY", path)
    library.installed.cache_clear()
    yield path
    library.installed.cache_clear()


def test_the_library_that_is_installed_is_described(library_file: Path, library_path: Path) -> None:
    shutil.copy(library_file, library_path)
    instruction_set = library.installed().instruction_sets[0]
    assert instruction_set in library.INSTRUCTION_SETS
    assert library.description() == f"C++ decode step: built, runs on {instruction_set}"


def test_a_library_that_was_not_built_is_described(library_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"it was not built. Install a C\+\+20 compiler"):
        library.installed()
    assert library.description().startswith("C++ decode step: not used, it was not built.")


def test_a_file_that_is_no_library_is_described(library_path: Path) -> None:
    library_path.write_bytes(b"no library")
    assert "decode_step.so cannot be loaded" in library.description()


def test_a_library_of_other_sources_is_not_used(
    library_file: Path, library_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(library_file, library_path)
    monkeypatch.setattr(library, "sources_digest", lambda: "of other sources")
    assert "was compiled from other sources" in library.description()


def test_an_older_cpu_is_told_what_it_lacks(
    library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Library(library_file)
    monkeypatch.setattr(found, "_kernels", dict.fromkeys(library.INSTRUCTION_SETS))
    with pytest.raises(CannotRun, match=r"has no avx2; .* needs one of: avx512-vnni, avx2"):
        found.kernels()


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    with pytest.raises(CannotBuild, match="no-compiler cannot be run"):
        build(tmp_path / "library.so")
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBuild, match=r"no C\+\+ compiler: none of c\+\+, g\+\+, clang\+\+"):
        build(tmp_path / "library.so")
    assert not (tmp_path / "library.so").exists()


def test_a_compiler_that_fails(
    library_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message holds the first error; nothing half-made is left."""
    with pytest.raises(CannotBuild, match=r"failed \(C\+\+20 is needed\): .*error"):
        build(tmp_path / "library.so", ["-std=c++0"])
    assert not list(tmp_path.iterdir())


def test_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.platform, "machine", lambda: "arm64")
    with pytest.raises(CannotBuild, match="it is for x86_64, and this is arm64"):
        build(tmp_path / "library.so")


def test_only_what_is_behind_a_look_at_the_cpu_needs_a_newer_one(library_file: Path) -> None:
    """What the linker shares between sources must run everywhere; the kernels share nothing."""
    code = disassembled(library_file)
    wide = [name for name, text in code.items() if "%ymm" in text or "%zmm" in text]
    assert any("linear_block" in name for name in wide)
    assert all("(anonymous namespace)::" in name for name in wide), wide


def disassembled(file: Path) -> dict[str, str]:
    """Function → its instructions."""
    objdump = shutil.which("objdump")
    if objdump is None:
        pytest.skip("needs objdump, of the package binutils")
    command = [objdump, "-d", "-C", "--no-show-raw-insn", str(file)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, *parts = re.split(r"^([0-9a-f]+ <.*>):$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
