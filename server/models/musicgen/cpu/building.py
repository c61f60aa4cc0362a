"""Compiles `native/` into a shared library, with nothing but Python and a compiler.

`setup.py` runs it at install; a test runs it with a sanitizer.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NATIVE = Path(__file__).parent / "native"
COMPILERS = ("c++", "g++", "clang++")
MACHINES = ("x86_64", "AMD64")
COMPILE_SECONDS = 300
#: No -march=native and no -ffast-math: the library must run on other CPUs too, and the second would
#: change how the whole process rounds the smallest numbers.
FLAGS = ("-std=c++20", "-O3", "-fPIC", "-pthread", "-fvisibility=hidden", "-fno-math-errno")
#: Only what is behind a look at the CPU may use more than every x86-64 has.
FLAGS_OF_SOURCE = {
    "kernels_avx2.cpp": ("-mavx2", "-mfma"),
    "kernels_avx512.cpp": (
        *("-mavx2", "-mfma", "-mavx512f", "-mavx512bw"),
        *("-mavx512vl", "-mavx512dq", "-mavx512vnni"),
    ),
}


class CannotBuild(Exception):
    """The message says why."""


def build(target: Path, extra_flags: Sequence[str] = ()) -> None:
    """Compile the library to `target`. Raises `CannotBuild`."""
    if platform.machine() not in MACHINES:
        raise CannotBuild(f"it is for {MACHINES[0]}, and this is {platform.machine()}")
    compiler = _compiler()
    with tempfile.TemporaryDirectory() as folder:
        objects = _compile(compiler, Path(folder), extra_flags)
        linked = Path(folder) / "linked"
        command = [*compiler, "-shared", "-pthread", *extra_flags, *objects, "-o", str(linked)]
        _run(command)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(linked, target)


def sources_digest() -> str:
    """What a library of these sources says that it was compiled from; empty without sources."""
    if not NATIVE.is_dir():
        return ""
    digest = hashlib.sha256()
    for file in sorted(NATIVE.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _compiler() -> list[str]:
    """`CXX` if it is set, which may hold options too."""
    if chosen := os.environ.get("CXX", "").split():
        return chosen
    found = next((name for name in COMPILERS if shutil.which(name)), None)
    if found is None:
        raise CannotBuild(f"there is no C++ compiler: none of {', '.join(COMPILERS)}")
    return [found]


def _compile(compiler: list[str], folder: Path, extra_flags: Sequence[str]) -> list[str]:
    """All sources at once, each with its flags; their objects."""
    define = f'-DCONTINUO_SOURCES="{sources_digest()}"'

    def compiled(source: Path) -> str:
        made = folder / f"{source.stem}.o"
        flags = [*FLAGS, *FLAGS_OF_SOURCE.get(source.name, ()), define, *extra_flags]
        _run([*compiler, *flags, "-c", str(source), "-o", str(made)])
        return str(made)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(compiled, sorted(NATIVE.glob("*.cpp"))))


def _run(command: list[str]) -> None:
    try:
        subprocess.run(  # noqa: S603 - a compiler, with arguments of our own
            command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS
        )
    except OSError as error:
        raise CannotBuild(f"{command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotBuild(f"{command[0]} took more than {COMPILE_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or [error.stderr]
        raise CannotBuild(f"{command[0]} failed (C++20 is needed): {lines[0].strip()}") from error
