"""What attention remembers, in pages of a pool that never moves: a recorded step finds it there.

A page has keys and values of one row for `PAGE_POSITIONS` positions, in all layers. A sequence
takes exactly the pages it needs, in both rows, when it comes; a text those of its tokens.
"""

from __future__ import annotations

import threading
import weakref

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from server.models.musicgen.capacity import PAGE_POSITIONS, whole_pages
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cuda.int8 import Stored
from server.models.musicgen.cuda.lanes import Mark
from server.models.musicgen.kv_cache import ROWS, TextMemory, bytes_per_position, look_back

#: Where rows that belong to nobody read and write.
SCRATCH_PAGE = 0


class PagePool:
    """`keys` and `values` [L, pages, H, PAGE_POSITIONS, head_dim], read in `dtype` and kept so or
    in int8. Pages are for any thread."""

    def __init__(
        self,
        config: LanguageModelConfig,
        num_bytes: int,
        device: torch.device,
        dtype: torch.dtype,
        in_int8: bool = False,
    ) -> None:
        """As many pages as `num_bytes` hold, and the scratch page."""
        kept_as = torch.int8 if in_int8 else dtype
        self.page_bytes = PAGE_POSITIONS * bytes_per_position(config, kept_as) // ROWS
        self.device = device
        num_pages = num_bytes // self.page_bytes
        shape = (
            config.num_layers,
            num_pages + 1,
            config.num_heads,
            PAGE_POSITIONS,
            config.head_dim,
        )
        # Never read beyond what was written, so it need not be cleared.
        self.keys = Stored.empty(shape, dtype, in_int8, device)
        self.values = Stored.empty(shape, dtype, in_int8, device)
        self._free = list(range(num_pages, SCRATCH_PAGE, -1))
        self._one_at_a_time = threading.RLock()  # pages may go back in the middle of a `take`

    @property
    def num_free(self) -> int:
        return len(self._free)

    def take(self, num_pages: int) -> list[int]:
        """Raises `MemoryError` where there are not so many."""
        with self._one_at_a_time:
            if num_pages > len(self._free):
                raise MemoryError(f"{num_pages} pages of memory asked for, {len(self._free)} free")
            return [self._free.pop() for _ in range(num_pages)]

    def give_back(self, pages: list[int]) -> None:
        with self._one_at_a_time:
            self._free += pages


class Paged:
    """`num_positions` in each of `num_rows` rows; the pages go back when nothing refers to it."""

    def __init__(self, pool: PagePool, num_rows: int, num_positions: int) -> None:
        self.num_positions = num_positions
        self._pool = pool
        num_pages = num_rows * whole_pages(num_positions) // PAGE_POSITIONS
        pages = pool.take(num_pages)
        # Not at the end of the process, when nobody will want them.
        weakref.finalize(self, pool.give_back, pages).atexit = False
        self.num_bytes = num_pages * pool.page_bytes
        #: In the order of positions, [rows, pages], for the host; and for the device.
        device = pool.device
        self.table = torch.tensor(pages, pin_memory=device.type == "cuda").view(num_rows, -1)
        self.on_device = self.table.to(device, non_blocking=True)

    def check(self, position: int) -> None:
        """Whatever lies beyond it belongs to somebody else."""
        if not 0 <= position < self.num_positions:
            raise ValueError(f"position {position} of a memory of {self.num_positions}")

    def _seen(self, stored: Stored, stop: int) -> Tensor:
        """A layer's keys or values of the positions before `stop`, [rows, H, stop, head_dim]."""
        num_pages = whole_pages(stop) // PAGE_POSITIONS
        pages = stored[self.on_device[:, :num_pages]]  # [rows, n, H, PAGE_POSITIONS, head_dim]
        return pages.transpose(1, 2).flatten(2, 3)[:, :, :stop]


class PagedMemory(Paged):
    """Self-attention's keys and values of one sequence."""

    def __init__(self, pool: PagePool, num_positions: int) -> None:
        super().__init__(pool, ROWS, num_positions)
        #: What must be done before a step may use it.
        self.ready: Mark = None

    def attend(
        self, layer: int, start: int, queries: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        stop = start + queries.shape[2]
        own_keys, own_values = self._pool.keys.of(layer), self._pool.values.of(layer)
        self._put(own_keys, start, keys)
        self._put(own_values, start, values)
        return look_back(queries, self._seen(own_keys, stop), self._seen(own_values, stop))

    def _put(self, stored: Stored, start: int, new: Tensor) -> None:
        """A layer's keys or values `new` [2, H, S, head_dim] from position `start` on."""
        at = torch.arange(start, start + new.shape[2], device=new.device)
        pages = self.on_device[:, at // PAGE_POSITIONS]  # [2, S]
        stored[pages, :, at % PAGE_POSITIONS] = new.transpose(1, 2)


class PagedText(Paged):
    """Cross-attention's keys and values of one prompt."""

    def __init__(self, pool: PagePool, text: TextMemory) -> None:
        super().__init__(pool, 1, text.keys.shape[2])
        self._put(pool.keys, text.keys)
        self._put(pool.values, text.values)

    def attend(self, layer: int, queries: Tensor) -> Tensor:
        keys = self._seen(self._pool.keys.of(layer), self.num_positions)
        values = self._seen(self._pool.values.of(layer), self.num_positions)
        return scaled_dot_product_attention(queries, keys, values)

    def _put(self, stored: Stored, new: Tensor) -> None:
        """All layers' keys or values, `new` [L, H, T, head_dim]."""
        whole = pad(new, (0, 0, 0, -new.shape[2] % PAGE_POSITIONS))
        pages = whole.unflatten(2, (-1, PAGE_POSITIONS)).transpose(1, 2)
        stored[:, self.on_device[0]] = pages
