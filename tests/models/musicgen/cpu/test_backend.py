"""The whole step against torch in float32, and against itself: alone, in batches, at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from server.models.musicgen.backend import Backend
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.cpu.backend import MAX_COLUMNS, CompiledModel
from server.models.musicgen.cpu.library import CannotRun, Format, Library
from tests.models.musicgen.cpu.compiled import MAX_EXAMPLES, Kernels, random_model, sizes

#: Of logits, relative. A wrong position costs many times what int8 does.
ERRORS: dict[Format, float] = {"fp32": 1e-5, "bf16": 0.01, "int8": 0.02}

shapes = st.builds(
    sizes,
    num_heads=st.integers(1, 3),
    num_layers=st.integers(1, 3),
    ffn_dim=st.sampled_from((100, 128, 256, 768)),
    num_codebooks=st.sampled_from((4, 8)),
    codebook_size=st.sampled_from((64, 100, 333)),
    melody_frames=st.sampled_from((0, 0, 1, 20, MAX_COLUMNS + 1)),
)
texts = st.lists(st.one_of(st.none(), st.integers(1, 20)), min_size=1, max_size=5)


@pytest.fixture
def build(kernels: Kernels) -> Callable[..., CompiledModel]:
    return builder(kernels)


def builder(kernels: Kernels) -> Callable[..., CompiledModel]:
    """Makes compiled models with the instructions of `kernels`."""

    def build(
        config: LanguageModelConfig | None = None,
        number_format: Format = "int8",
        num_threads: int = 2,
    ) -> CompiledModel:
        model = random_model(config or sizes())
        isa = kernels.instruction_set
        return CompiledModel(model, kernels.library, number_format, num_threads, isa)

    return build


def random_tokens(config: LanguageModelConfig, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = (*shape, config.num_codebooks)
    return torch.randint(0, config.special_token + 1, size, generator=generator)


def random_states(config: LanguageModelConfig, num_tokens: int | None) -> Tensor | None:
    """What a text encoder could say of so many tokens."""
    if num_tokens is None:
        return None
    generator = torch.Generator().manual_seed(num_tokens)
    return torch.randn(num_tokens, config.text_dim, generator=generator)


def scores(
    backend: Backend, tokens: Tensor, text_lengths: list[int | None], first: int = 0
) -> Tensor:
    """Of the last steps of sequences: `tokens` [S, B, K], those before `first` read ahead.

    Models that hear melodies hear one in all sequences but the first.
    """
    num_steps = len(tokens)
    torch.manual_seed(0)
    starts = [backend.config.num_prefix(length or 0) for length in text_lengths]
    memories = [backend.reserve(start + num_steps) for start in starts]
    states = [random_states(backend.config, length) for length in text_lengths]
    remembered = [None if each is None else backend.remember_text(each) for each in states]
    for index, (start, memory, text) in enumerate(zip(starts, memories, remembered, strict=True)):
        melody = torch.randint(12, (backend.config.melody_frames,)) if index else None
        if start:
            backend.read_prefix(backend.prefix(melody, text), 0, memory)
        if first:
            backend.extend(tokens[:first, index].T, start, memory, text)
    return torch.stack(
        [
            backend.decode_step(tokens[step], [n + step for n in starts], memories, remembered)
            for step in range(first, num_steps)
        ]
    )


@settings(max_examples=MAX_EXAMPLES, deadline=None)
@given(
    config=shapes,
    text_lengths=texts,
    num_steps=st.integers(1, 20),
    number_format=st.sampled_from(("fp32", "bf16", "int8")),
)
def test_scores_are_those_of_torch(
    kernels: Kernels,
    config: LanguageModelConfig,
    text_lengths: list[int | None],
    num_steps: int,
    number_format: Format,
) -> None:
    tokens = random_tokens(config, num_steps, len(text_lengths))
    found = scores(builder(kernels)(config, number_format), tokens, text_lengths)
    expected = scores(random_model(config), tokens, text_lengths)
    assert found.shape == expected.shape
    assert relative_error(found, expected) < ERRORS[number_format]


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_an_error_is_noticed(build: Callable[..., CompiledModel]) -> None:
    """What the bound above is worth: scores one position off are far beyond it."""
    config = sizes()
    tokens = random_tokens(config, 9, 1)
    expected = scores(random_model(config), tokens, [5])
    shifted = scores(build(config), tokens.roll(1, 0), [5])
    assert relative_error(shifted, expected) > 10 * ERRORS["int8"]


@pytest.mark.parametrize("num_read_ahead", [1, 15, 16, 17, MAX_COLUMNS, 2 * MAX_COLUMNS + 5])
def test_reading_ahead_is_the_same_as_steps(
    build: Callable[..., CompiledModel], num_read_ahead: int
) -> None:
    """To the bit."""
    backend = build()
    tokens = random_tokens(backend.config, num_read_ahead + 2, 1)
    one_by_one = scores(backend, tokens, [7])[num_read_ahead:]
    assert torch.equal(scores(backend, tokens, [7], num_read_ahead), one_by_one)


def test_a_sequence_in_a_batch_is_the_same_as_alone(build: Callable[..., CompiledModel]) -> None:
    """To the bit, whatever the others are and wherever they stand."""
    backend = build()
    lengths = [3, None, 20, 1, None, 150]
    all_tokens = random_tokens(backend.config, 12, len(lengths))
    together = scores(backend, all_tokens, lengths)
    for index, length in enumerate(lengths):
        alone = scores(backend, all_tokens[:, index : index + 1], [length])
        assert torch.equal(together[:, index : index + 1], alone)


def test_each_sequence_has_a_position_of_its_own(build: Callable[..., CompiledModel]) -> None:
    backend = build()
    starts = [0, 5, 31]
    tokens = random_tokens(backend.config, max(starts) + 1, len(starts))
    memories = [backend.reserve(start + 1) for start in starts]
    alone = []
    for index, start in enumerate(starts):
        backend.extend(tokens[:start, index].T, 0, memories[index], None)
        alone.append(scores(backend, tokens[: start + 1, index : index + 1], [None])[-1])
    newest = torch.stack([tokens[start, index] for index, start in enumerate(starts)])
    together = backend.decode_step(newest, starts, memories, [None] * len(starts))
    assert torch.equal(together, torch.cat(alone))


def test_more_sequences_than_are_read_at_once(build: Callable[..., CompiledModel]) -> None:
    backend = build()
    num_sequences = MAX_COLUMNS + 3
    tokens = random_tokens(backend.config, 2, num_sequences)
    together = scores(backend, tokens, [None] * num_sequences)
    assert torch.equal(together[:, -1:], scores(backend, tokens[:, -1:], [None]))


def test_rows_without_text_are_equal(build: Callable[..., CompiledModel]) -> None:
    backend = build()
    found = scores(backend, random_tokens(backend.config, 4, 2), [None, 3])
    assert torch.equal(found[:, 0, 0], found[:, 0, 1])
    assert not torch.equal(found[:, 1, 0], found[:, 1, 1])


@pytest.mark.parametrize("num_threads", [1, 3, 7])
def test_threads_change_nothing(build: Callable[..., CompiledModel], num_threads: int) -> None:
    tokens = random_tokens(sizes(3), 40, 2)
    two, others = build(sizes(3)), build(sizes(3), num_threads=num_threads)
    assert torch.equal(scores(others, tokens, [9, None], 20), scores(two, tokens, [9, None], 20))


def test_several_models_at_once(build: Callable[..., CompiledModel]) -> None:
    """Each with threads of its own, and nothing in common."""
    tokens = random_tokens(sizes(), 30, 2)
    expected = scores(build(), tokens, [4, None])
    backends = [build(), build(num_threads=1), build(num_threads=3)]
    with ThreadPoolExecutor(len(backends)) as pool:
        found = pool.map(lambda backend: scores(backend, tokens, [4, None]), backends)
        assert all(torch.equal(each, expected) for each in found)


def test_a_text_is_read_while_steps_run(build: Callable[..., CompiledModel]) -> None:
    backend = build()
    tokens = random_tokens(backend.config, 40, 1)
    states = random_states(backend.config, 300)
    expected = scores(backend, tokens, [300])
    with ThreadPoolExecutor(1) as pool:
        texts = [pool.submit(backend.remember_text, states) for _ in range(20)]
        while not all(text.done() for text in texts):
            assert torch.equal(scores(backend, tokens, [300]), expected)
    memory = backend.reserve(1)
    found = [backend.decode_step(tokens[0], [0], [memory], [each.result()]) for each in texts]
    assert all(torch.equal(each, expected[0]) for each in found)


@pytest.mark.parametrize(
    ("number_format", "expected"), [("fp32", 4), ("bf16", 2), ("int8", 1 + 4 / 64)]
)
def test_memory_is_what_it_says(
    build: Callable[..., CompiledModel], number_format: Format, expected: float
) -> None:
    backend = build(number_format=number_format)
    assert backend.reserve(160).num_bytes == 160 * backend.bytes_per_position
    text = backend.remember_text(torch.zeros(32, backend.config.text_dim))
    assert text.num_bytes == 32 * backend.bytes_per_text_token
    config = backend.config
    values_per_position = 2 * 2 * config.num_layers * config.dim
    assert backend.bytes_per_position / values_per_position == expected


def test_what_does_not_fit_is_refused(build: Callable[..., CompiledModel]) -> None:
    backend = build()
    tokens = random_tokens(backend.config, 1)
    memory = backend.reserve(16)
    other = build(sizes(3)).reserve(16)
    text = backend.remember_text(torch.zeros(2, backend.config.text_dim))
    for position in (-1, 16):
        with pytest.raises(ValueError, match=f"position {position} of a memory of 16"):
            backend.decode_step(tokens, [position], [memory], [None])
    with pytest.raises(ValueError, match="a memory of 12 heads, not 8"):
        backend.decode_step(tokens, [0], [other], [None])
    with pytest.raises(ValueError, match="a memory of 8 heads, not 4"):
        backend.decode_step(tokens, [0], [memory], [memory])
    with pytest.raises(ValueError, match="a memory of 4 heads, not 8"):
        backend.decode_step(tokens, [0], [text], [None])
    for wrong in (tokens + backend.config.special_token + 1, tokens - 100):
        with pytest.raises(ValueError, match="a token is not one of 0 to 64"):
            backend.decode_step(wrong, [0], [memory], [None])
    with pytest.raises(ValueError, match=r"tokens of shape \[1, 3\]"):
        backend.decode_step(tokens[:, :3], [0], [memory], [None])
    with pytest.raises(ValueError, match=r"vectors of shape \[2, 3, 64\], not \[2, S, 128\]"):
        backend.read_prefix(torch.zeros(2, 3, 64), 0, memory)
    with pytest.raises(ValueError, match="shorter"):
        backend.decode_step(tokens, [0], [], [None])


def test_other_heads_are_refused(kernels: Kernels) -> None:
    config = LanguageModelConfig(64, 2, 1, 128, 4, 64, 24, (0, 1, 2, 3))
    with pytest.raises(CannotRun, match="heads of 64, and these have 32"):
        CompiledModel(random_model(config), kernels.library, "int8", 1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts the threads of Linux")
def test_a_model_takes_its_threads_along(build: Callable[..., CompiledModel]) -> None:
    gc.collect()  # models of other tests
    before = len(os.listdir("/proc/self/task"))
    backend = build(num_threads=5)
    assert len(os.listdir("/proc/self/task")) == before + 4
    del backend
    gc.collect()
    assert len(os.listdir("/proc/self/task")) == before


def test_the_layers_of_the_model_are_given_up(library_file: Path) -> None:
    model = random_model(sizes())
    CompiledModel(model, Library(library_file), "int8", 1)
    assert all(parameter.is_meta for parameter in model.layers.parameters())
