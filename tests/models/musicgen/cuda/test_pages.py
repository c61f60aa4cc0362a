"""Memory in pages: taken, given back, and never one page for two."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given
from hypothesis import strategies as st

from server.models.failures import is_out_of_memory
from server.models.musicgen.capacity import PAGE_POSITIONS
from server.models.musicgen.cuda.pages import SCRATCH_PAGE, PagedMemory, PagedText, PagePool
from server.models.musicgen.kv_cache import KVMemory, TextMemory
from tests.models.musicgen.cpu.compiled import sizes
from tests.models.musicgen.references import CPU

CONFIG = sizes(num_heads=2, num_layers=3)


def pool(num_pages: int = 12, spare_bytes: int = 0, in_int8: bool = False) -> PagePool:
    page_bytes = PagePool(CONFIG, 0, CPU, torch.float32, in_int8).page_bytes
    num_bytes = num_pages * page_bytes + spare_bytes
    return PagePool(CONFIG, num_bytes, CPU, torch.float32, in_int8)


@pytest.mark.parametrize("in_int8", [False, True])
def test_what_is_set_aside_is_all_there_is(in_int8: bool) -> None:
    pages = pool(4, spare_bytes=100, in_int8=in_int8)
    held = pages.keys.num_bytes + pages.values.num_bytes
    assert pages.num_free == 4
    assert held == 5 * pages.page_bytes  # and the scratch page


@pytest.mark.parametrize("num_positions", [1, PAGE_POSITIONS, PAGE_POSITIONS + 1])
def test_a_sequence_takes_the_pages_it_needs_and_gives_them_back(num_positions: int) -> None:
    pages = pool()
    memory = PagedMemory(pages, num_positions)
    num_taken = 2 if num_positions <= PAGE_POSITIONS else 4
    assert memory.num_bytes == num_taken * pages.page_bytes
    assert pages.num_free == 12 - num_taken
    assert SCRATCH_PAGE not in memory.table
    del memory
    assert pages.num_free == 12


def test_what_does_not_fit_is_out_of_memory_and_takes_nothing() -> None:
    pages = pool()
    first = PagedMemory(pages, 5 * PAGE_POSITIONS)
    with pytest.raises(MemoryError, match="4 pages of memory asked for, 2 free") as raised:
        PagedMemory(pages, 2 * PAGE_POSITIONS)
    assert is_out_of_memory(raised.value)
    assert pages.num_free == 2
    del first
    gc.collect()
    assert pages.num_free == 12


@given(st.lists(st.integers(1, 200), max_size=8), st.randoms(use_true_random=False))
def test_no_page_has_two_owners(lengths: list[int], random) -> None:
    pages, there = pool(30), []
    for length in lengths:
        if there and random.random() < 0.4:
            there.pop(random.randrange(len(there)))
        try:
            there.append(PagedMemory(pages, length))
        except MemoryError:
            continue
        taken = [page for memory in there for page in memory.table.flatten().tolist()]
        assert len(set(taken)) == len(taken)
        assert pages.num_free + len(taken) == 30
        assert SCRATCH_PAGE not in taken


def test_pages_are_for_any_thread() -> None:
    pages = pool(64)

    def come_and_go(number: int) -> None:
        for _ in range(50):
            memory = PagedMemory(pages, PAGE_POSITIONS * (1 + number % 3))
            assert len(memory.table.unique()) == memory.table.numel()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(come_and_go, range(8)))
    assert pages.num_free == 64


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_what_was_read_ahead_is_remembered_as_in_one_piece(pieces: list[int]) -> None:
    heads, head_dim = CONFIG.num_heads, CONFIG.head_dim
    whole = KVMemory(CONFIG, sum(pieces), CPU, torch.float32)
    paged = PagedMemory(pool(40), sum(pieces))
    start = 0
    for count in pieces:
        each = [torch.randn(2, heads, count, head_dim) for _ in range(3)]
        for layer in range(CONFIG.num_layers):
            expected = whole.attend(layer, start, *each)
            assert torch.equal(paged.attend(layer, start, *each), expected)
        start += count


@pytest.mark.parametrize("num_tokens", [1, 31, 32, 33, 70])
def test_a_text_is_looked_at_as_in_one_piece(num_tokens: int) -> None:
    shape = (CONFIG.num_layers, CONFIG.num_heads, num_tokens, CONFIG.head_dim)
    text = TextMemory(torch.randn(shape), torch.randn(shape))
    paged = PagedText(pool(), text)
    queries = torch.randn(1, CONFIG.num_heads, 5, CONFIG.head_dim)
    for layer in range(CONFIG.num_layers):
        assert torch.equal(paged.attend(layer, queries), text.attend(layer, queries))
