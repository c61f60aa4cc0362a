"""Finds and loads the compiled library, and says in words why it cannot.

The structures here are those of `native/model.h` and `native/kernels.h`, member for member.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_int64, c_void_p
from functools import lru_cache
from pathlib import Path
from typing import Literal

from server.models.musicgen.cpu.building import sources_digest

LIBRARY = Path(__file__).with_name("decode_step.so")
#: Best first.
INSTRUCTION_SETS = ("avx512-vnni", "avx2")
Format = Literal["fp32", "bf16", "int8"]
#: As native/memory.h numbers them.
FORMAT_NUMBERS: dict[Format, int] = {"fp32": 0, "bf16": 1, "int8": 2}
REMEDY = "Install a C++20 compiler (g++ 11 or later), and install Continuo again with pip"


class CannotRun(Exception):
    """There is no library, or this CPU cannot run it; the message says which and what to do."""


class CMemory(ctypes.Structure):
    _fields_ = (("bytes", c_void_p), ("capacity", c_int64), ("format", c_int64))


class CLinear(ctypes.Structure):
    _fields_ = (("weights", c_void_p), ("scales", c_void_p))


class CNorm(ctypes.Structure):
    _fields_ = (("weight", c_void_p), ("bias", c_void_p))


class CLayer(ctypes.Structure):
    _fields_ = (
        ("norm1", CNorm),
        ("query_key_value", CLinear),
        ("out", CLinear),
        ("norm_cross", CNorm),
        ("text_query", CLinear),
        ("text_key_value", CLinear),
        ("text_out", CLinear),
        ("norm2", CNorm),
        ("feed_in", CLinear),
        ("feed_out", CLinear),
    )


class CModel(ctypes.Structure):
    _fields_ = (
        ("dim", c_int64),
        ("num_heads", c_int64),
        ("num_layers", c_int64),
        ("feed_dim", c_int64),
        ("num_codebooks", c_int64),
        ("codebook_size", c_int64),
        ("format", c_int64),
        ("embeddings", c_void_p),
        ("layers", POINTER(CLayer)),
        ("norm", CNorm),
        ("heads", CLinear),
    )


class CColumn(ctypes.Structure):
    _fields_ = (
        ("tokens", c_void_p),
        ("vectors", c_void_p),
        ("position", c_int64),
        ("memory", CMemory),
        ("text", CMemory),
        ("num_text_positions", c_int64),
    )


class CInputs(ctypes.Structure):
    _fields_ = (
        ("format", c_int64),
        ("values", c_void_p),
        ("steps", c_void_p),
        ("scales", c_void_p),
        ("sums", c_void_p),
    )


class CKernels(ctypes.Structure):
    """The functions of one instruction set; the tests call them one by one."""

    _fields_ = (
        ("layer_norm", ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_int64, c_void_p)),
        ("put", ctypes.CFUNCTYPE(None, c_void_p, c_int64, c_int64, POINTER(CInputs))),
        (
            "linear_block",
            ctypes.CFUNCTYPE(
                *(None, POINTER(CLinear), c_int64, c_int64),
                *(POINTER(CInputs), c_int64, c_void_p),
            ),
        ),
        ("gelu", ctypes.CFUNCTYPE(None, c_void_p, c_int64)),
        ("remember", ctypes.CFUNCTYPE(None, POINTER(CMemory), c_int64, c_void_p, c_void_p)),
        (
            "attend",
            ctypes.CFUNCTYPE(None, POINTER(CMemory), c_void_p, c_int64, c_void_p, c_void_p),
        ),
    )


class Library:
    """The functions of the compiled library at `path`. Raises `CannotRun`."""

    def __init__(self, path: Path) -> None:
        try:
            functions = ctypes.CDLL(str(path))
        except OSError as error:
            raise CannotRun(f"{path.name} cannot be loaded: {error}. {REMEDY}") from error
        _declare(functions)
        expected, found = sources_digest(), functions.continuo_sources().decode()
        if expected and found != expected:
            raise CannotRun(f"{path.name} was compiled from other sources. {REMEDY}")
        self.create = functions.continuo_create
        self.free = functions.continuo_free
        self.run = functions.continuo_run
        self.remember_text = functions.continuo_remember_text
        self.bytes_per_position = functions.continuo_bytes_per_position
        self._kernels = {
            "avx512-vnni": functions.continuo_avx512_kernels(),
            "avx2": functions.continuo_avx2_kernels(),
        }

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """Those that it has and this CPU too, best first."""
        return tuple(name for name in INSTRUCTION_SETS if self._kernels[name])

    def kernels(self, instruction_set: str | None = None) -> ctypes._Pointer[CKernels]:
        """The table of `instruction_set`, the best one if it is None. Raises `CannotRun`."""
        there = self.instruction_sets
        name = instruction_set or next(iter(there), INSTRUCTION_SETS[-1])
        if name not in there:
            raise CannotRun(
                f"this CPU has no {name}; the C++ decode step needs one of: "
                f"{', '.join(INSTRUCTION_SETS)}"
            )
        return self._kernels[name]


@lru_cache(maxsize=1)
def installed() -> Library:
    """The library beside this file. Raises `CannotRun`, also where this CPU lacks what it needs."""
    if not LIBRARY.exists():
        raise CannotRun(f"it was not built. {REMEDY}")
    library = Library(LIBRARY)
    library.kernels()
    return library


def is_usable() -> bool:
    """Whether there is one that this CPU can run."""
    try:
        installed()
    except CannotRun:
        return False
    return True


def description() -> str:
    """One line for people: whether there is a C++ decode step, and on which instructions."""
    try:
        return f"C++ decode step: built, runs on {installed().instruction_sets[0]}"
    except CannotRun as error:
        return f"C++ decode step: not used, {error}"


def _declare(functions: ctypes.CDLL) -> None:
    """Argument and result types; without them ctypes cuts addresses to 32 bits."""
    for name, result, arguments in (
        ("sources", c_char_p, ()),
        ("avx512_kernels", POINTER(CKernels), ()),
        ("avx2_kernels", POINTER(CKernels), ()),
        ("bytes_per_position", c_int64, (c_int64,)),
        ("create", c_void_p, (POINTER(CModel), POINTER(CKernels), c_int64, c_int64)),
        ("free", None, (c_void_p,)),
        ("run", c_bool, (c_void_p, POINTER(CColumn), c_int64, c_int64, c_void_p)),
        ("remember_text", c_bool, (c_void_p, c_void_p, c_int64, c_int64, POINTER(CMemory))),
    ):
        function = getattr(functions, f"continuo_{name}")
        function.restype, function.argtypes = result, arguments
