"""Bytes that the C++ reads and writes: aligned, and in one piece."""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from server.models.musicgen.cpu.library import FORMAT_NUMBERS, CMemory, Format, Library

ALIGNMENT_BYTES = 64
#: Keys lie in blocks of this many positions.
BLOCK_POSITIONS = 16


def aligned_bytes(num_bytes: int) -> NDArray[np.uint8]:
    """Zeros, at the start of a cache line. They take no memory until they are written.

    NumPy asks the system for huge pages, as torch does not: a step reads all weights once, and with
    small pages waits for the page table.
    """
    bytes_and_more = np.zeros(num_bytes + ALIGNMENT_BYTES, np.uint8)
    start = -bytes_and_more.ctypes.data % ALIGNMENT_BYTES
    return bytes_and_more[start : start + num_bytes]


def sparse_bytes(num_bytes: int) -> NDArray[np.uint8]:
    """Zeros, at the start of a page, of which only the small pages that are written take memory.

    The first position of a sequence touches its heads all over its memory. Huge pages would have
    the system clear all of that at once, while everybody's music waits.
    """
    pages = mmap.mmap(-1, num_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a system without huge pages
            pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, np.uint8)


def bytes_of_head(library: Library, number_format: Format) -> int:
    """What one position of one head takes."""
    return library.bytes_per_position(FORMAT_NUMBERS[number_format])


class Memory:
    """Keys and values of `num_positions` for `num_heads` heads, those of all layers and rows."""

    def __init__(
        self, library: Library, num_heads: int, num_positions: int, number_format: Format
    ) -> None:
        capacity = -(-num_positions // BLOCK_POSITIONS) * BLOCK_POSITIONS
        num_bytes = num_heads * capacity * bytes_of_head(library, number_format)
        self.num_heads = num_heads
        self.num_positions = num_positions
        self._bytes = sparse_bytes(num_bytes)
        self.struct = CMemory(self._bytes.ctypes.data, capacity, FORMAT_NUMBERS[number_format])

    @property
    def num_bytes(self) -> int:
        return self._bytes.nbytes
