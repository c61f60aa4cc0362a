"""The tests of the C++ once more, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

from server.models.musicgen.cpu.building import build
from tests.models.musicgen.conftest import SANITIZED_LIBRARY
from tests.soak import SOAK

HERE = Path(__file__).parent
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RUNTIMES = ("libasan.so", "libubsan.so")
#: The whole step besides, in the long form.
WATCHED = ("test_kernels.py", "test_backend.py") if SOAK else ("test_kernels.py",)


@pytest.mark.skipif(SANITIZED_LIBRARY is not None, reason="runs these tests itself")
@pytest.mark.timeout(300)
def test_no_sanitizer_finds_anything(library_file: Path, tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++, whose sanitizers can be loaded into Python")
    runtimes = [runtime(compiler, name) for name in RUNTIMES]
    watched = tmp_path / "decode_step.so"
    build(watched, FLAGS)
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself gives back little
        "CONTINUO_SANITIZED_LIBRARY": str(watched),
    }
    tests = [str(HERE / name) for name in WATCHED]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-3000:]
    assert " passed" in found.stdout


def runtime(compiler: str, name: str) -> str:
    """The file of a sanitizer; the test is skipped where it is missing."""
    command = [compiler, f"-print-file-name={name}"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip(f"needs {name}, which comes with g++")
    return found
