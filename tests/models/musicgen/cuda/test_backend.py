"""The whole backend against torch, and what it may not touch."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from server.models.base import Resources
from server.models.musicgen.capacity import PAGE_POSITIONS
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cuda import int8
from server.models.musicgen.cuda.backend import RecordedModel
from server.models.musicgen.cuda.pages import SCRATCH_PAGE
from server.models.musicgen.sampling import Settings, draw, draw_clocks, guide
from server.models.musicgen.wish import Sampling
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.cpu.test_backend import random_states, random_tokens, scores
from tests.models.musicgen.cuda.recorded import Recorder, num_pages, recorded_model
from tests.models.musicgen.references import CPU
from tests.models.musicgen.replay import LOGITS

shapes = st.builds(
    sizes,
    num_heads=st.integers(1, 3),
    num_layers=st.integers(1, 3),
    num_codebooks=st.sampled_from((4, 8)),
    melody_frames=st.sampled_from((0, 0, 1, 20, 65)),
)
#: For all that these can be together.
ENOUGH = 2**24
texts = st.lists(st.one_of(st.none(), st.integers(1, 70)), min_size=1, max_size=5)


@settings(max_examples=20, deadline=None)
@given(shapes, texts, st.integers(1, 40), st.sampled_from((0, 1, 20)))
def test_scores_are_those_of_torch(
    config: LanguageModelConfig, text_lengths: list[int | None], num_steps: int, first: int
) -> None:
    first = min(first, num_steps - 1)
    tokens = random_tokens(config, num_steps, len(text_lengths))
    backend = recorded_model(random_model(config), memory_bytes=ENOUGH)
    found = scores(backend, tokens, text_lengths, first)
    expected = scores(random_model(config), tokens, text_lengths, first)
    assert torch.allclose(found, expected, rtol=0, atol=LOGITS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close(dtype: torch.dtype) -> None:
    """With the residual stream and the norms in float32, as torch alone has it."""
    tokens, lengths = random_tokens(sizes(), 9, 3), [5, None, 40]
    half, alone = random_model(sizes()), random_model(sizes())
    half.place(CPU, dtype)
    alone.place(CPU, dtype)
    found, expected = scores(recorded_model(half), tokens, lengths), scores(alone, tokens, lengths)
    exact = scores(random_model(sizes()), tokens, lengths)
    rounding = (expected - exact).norm()
    assert 0 < rounding / exact.norm() < 0.05
    assert (found - exact).norm() < 1.5 * rounding


#: What is in int8 → errors of scores, of their norm. Random weights show more than music does.
INT8_ERRORS = {"weights": 0.02, "memory": 0.02, "both": 0.03}


@pytest.mark.parametrize("what", INT8_ERRORS)
@pytest.mark.parametrize("melody_frames", [0, 20])
def test_int8_is_close(what: str, melody_frames: int) -> None:
    """With texts and without, read ahead and step by step."""
    config = sizes(melody_frames=melody_frames)
    tokens, lengths = random_tokens(config, 40, 3), [5, None, 40]
    exact = scores(random_model(config), tokens, lengths, first=30)
    found = scores(in_int8(config, what), tokens, lengths, first=30)
    assert 0 < (found - exact).norm() / exact.norm() < INT8_ERRORS[what]


def in_int8(config: LanguageModelConfig, what: str = "both", **choices: Any) -> RecordedModel:
    model = random_model(config)
    if what == "memory":
        model.place(CPU, torch.float16)
    else:
        int8.quantize(model, CPU, torch.float16)
    return recorded_model(model, remembers_in_int8=what != "weights", **choices)


def test_in_int8_what_was_read_ahead_is_what_steps_remember() -> None:
    backend = in_int8(sizes())
    tokens = random_tokens(backend.config, 20, 2)
    stepped, read = (scores(backend, tokens, [7, None], first) for first in (0, 19))
    assert (stepped[-1] - read[-1]).norm() < 2e-3 * read[-1].norm()


def test_in_int8_a_sequence_is_the_same_in_any_batch() -> None:
    backend = in_int8(sizes(), num_slots=8)
    tokens = random_tokens(backend.config, 5, 8)
    together = scores(backend, tokens, [1, None, 40, 3, 8, None, 2, 9])
    alone = scores(backend, tokens[:, 2:3], [40])
    assert (alone - together[:, 2:3]).norm() < 2e-3 * alone.norm()


def test_in_int8_a_tape_of_the_first_step_makes_all_scores() -> None:
    tokens = random_tokens(sizes(), 9, 3)
    eager, taped = in_int8(sizes()), in_int8(sizes(), record=Recorder())
    assert torch.equal(*(scores(each, tokens, [5, None, 40]) for each in (eager, taped)))


def spoil(backend: RecordedModel) -> None:
    """Let all that is remembered be no number."""
    for stored in (backend._steps.pool.keys, backend._steps.pool.values):
        (stored.numbers if stored.steps is None else stored.steps).fill_(float("nan"))


def begun(backend: RecordedModel, num_sequences: int, num_positions: int = 40) -> list:
    return [backend.reserve(num_positions) for _ in range(num_sequences)]


def random_step(backend: RecordedModel, memories: list, position: int) -> Tensor:
    tokens = random_tokens(backend.config, len(memories), seed=position)
    return backend.decode_step(tokens, [position] * len(memories), memories, [None] * len(memories))


@pytest.mark.parametrize("num_sequences", [1, 3, 5])
def test_a_step_writes_its_own_positions_and_the_scratch_page_only(num_sequences: int) -> None:
    """Also where the batch is smaller than what was recorded, and after a larger batch."""
    backend = recorded_model(random_model(sizes()), num_slots=8)
    pool = backend._steps.pool
    random_step(backend, left := begun(backend, 7), 3)
    memories, position = begun(backend, num_sequences), PAGE_POSITIONS + 1
    stored_numbers = [stored.numbers for stored in (pool.keys, pool.values)]
    for numbers in stored_numbers:
        numbers.fill_(7.0)
    random_step(backend, memories, position)
    owned = torch.zeros(pool.keys.numbers.shape[1], PAGE_POSITIONS, dtype=torch.bool)
    owned[SCRATCH_PAGE] = True
    for memory in memories:
        owned[memory.table[:, 1], 1] = True
    for numbers in stored_numbers:
        changed = (numbers != 7.0).any(dim=-1).any(dim=2).any(dim=0)  # [pages, PAGE_POSITIONS]
        assert not (changed & ~owned).any()
        assert changed[memories[0].table[:, 1], 1].all()
    del left


@pytest.mark.parametrize("remembers_in_int8", [False, True])
def test_nothing_of_who_had_the_pages_before_is_seen(remembers_in_int8: bool) -> None:
    """Not even what is no number."""
    backend = recorded_model(random_model(sizes()), remembers_in_int8=remembers_in_int8)
    tokens = random_tokens(backend.config, 4, 1)
    expected = scores(backend, tokens, [3])
    spoil(backend)
    assert torch.equal(scores(backend, tokens, [3]), expected)


def test_a_sequence_is_the_same_whatever_size_was_recorded() -> None:
    backend = recorded_model(random_model(sizes()), num_slots=8)
    tokens = random_tokens(backend.config, 5, 8)
    together = scores(backend, tokens, [1, None, 40, 3, 8, None, 2, 9])
    for some in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3, 4]):
        lengths = [[1, None, 40, 3, 8][row] for row in some]
        few = scores(backend, tokens[:, some], lengths)
        assert torch.allclose(few, together[:, some], rtol=0, atol=LOGITS)


KINDS = [Sampling(), Sampling(0.7, 3), Sampling(1.2, 0, 0.8), Sampling(0.0), Sampling(top_k=1)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), st.integers(0, 100))
def test_tokens_are_drawn_as_from_its_scores(samplings: list[Sampling], seed: int) -> None:
    """Although it draws in every way for everyone, and not only in those that are asked for."""
    backend = recorded_model(random_model(sizes()))
    config, random = backend.config, torch.Generator().manual_seed(seed)
    clocks = [draw_clocks(config.num_codebooks, config.codebook_size, random) for _ in samplings]
    guidances = [1.0 + index for index in range(len(samplings))]
    by = Settings.of(samplings, guidances, config.codebook_size, CPU)
    memories, nobody = begun(backend, len(samplings)), [None] * len(samplings)
    tokens = random_tokens(config, len(samplings), seed=seed)
    asked = (tokens, [0] * len(samplings), memories, nobody)
    drawn = backend.begin_step(*asked, by, clocks)()
    expected = draw(guide(backend.decode_step(*asked), by.guidance), by, torch.stack(clocks))
    assert torch.equal(drawn, expected)


def test_a_step_that_nobody_waited_for_disturbs_none() -> None:
    backend = recorded_model(random_model(sizes()))
    config = backend.config
    clocks = [torch.ones(config.num_codebooks, config.codebook_size)]
    by = Settings.of([Sampling(0.0)], [3.0], config.codebook_size, CPU)
    memory, tokens = backend.reserve(4), random_tokens(config, 2)
    first = backend.begin_step(tokens[:1], [0], [memory], [None], by, clocks)()
    backend.begin_step(tokens[1:], [0], [memory], [None], by, clocks)
    again = backend.begin_step(tokens[:1], [0], [memory], [None], by, clocks)
    assert torch.equal(again(), first)


@pytest.mark.parametrize("position", [-1, 40])
def test_a_position_beyond_the_memory_is_refused(position: int) -> None:
    backend = recorded_model(random_model(sizes()))
    memories = begun(backend, 1)
    with pytest.raises(ValueError, match=rf"position {position} of a memory of 40"):
        random_step(backend, memories, position)
    with pytest.raises(ValueError, match="position 40 of a memory of 40"):
        backend.extend(random_tokens(backend.config, 3).T, 38, memories[0], None)


@pytest.mark.parametrize("remembers_in_int8", [False, True])
def test_what_it_says_it_takes_is_what_it_takes(remembers_in_int8: bool) -> None:
    backend = recorded_model(random_model(sizes()), remembers_in_int8=remembers_in_int8)
    bytes_of_head = 64 + 4 if remembers_in_int8 else 4 * 64
    config = backend.config
    heads = 2 * 2 * config.num_layers * config.num_heads
    assert backend.bytes_per_position == heads * bytes_of_head
    memory = backend.reserve(PAGE_POSITIONS + 1)
    text = backend.remember_text(random_states(backend.config, 3))
    assert memory.num_bytes == 2 * PAGE_POSITIONS * backend.bytes_per_position
    assert text.num_bytes == PAGE_POSITIONS * backend.bytes_per_text_token
    page_bytes = PAGE_POSITIONS * backend.bytes_per_position // 2
    assert num_pages(backend)[1] == 2**22 // page_bytes


def test_it_can_be_set_aside_anew() -> None:
    backend = recorded_model(random_model(sizes()), num_slots=1)
    tokens = random_tokens(backend.config, 3, 1)
    expected = scores(backend, tokens, [3])
    backend.set_aside(Resources(3, 2**21), 100)
    assert torch.equal(scores(backend, tokens, [3]), expected)


def test_with_no_memory_for_requests_it_can_still_be_loaded() -> None:
    backend = recorded_model(random_model(sizes()), num_slots=0, memory_bytes=0)
    with pytest.raises(MemoryError):
        backend.reserve(1)
