from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")

import torch

from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.delay_pattern import DelayedTokens
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.references import VARIANTS, described, tensor

NONE = torch.empty(4, 0, dtype=torch.int64)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_the_references(variant: str) -> None:
    codes, expected = tensor(variant, "logits_codes"), tensor(variant, "logits_tokens")
    delays = described(variant)["delays"]
    none = codes[:, :0]
    tokens = DelayedTokens(delays, codes.shape[1], 64, none)
    while not tokens.full:
        tokens.put(expected[:, tokens.num_filled])
    assert torch.equal(tokens.filled, expected)
    assert torch.equal(tokens.frames(0, codes.shape[1]), codes)


def test_what_is_drawn_for_no_frame_becomes_special() -> None:
    tokens = DelayedTokens((0, 1), 2, 9, torch.empty(2, 0, dtype=torch.int64))
    for _ in range(3):
        tokens.put(torch.tensor([5, 6]))
    assert tokens.filled.tolist() == [[9, 5, 5, 9], [9, 9, 6, 6]]
    assert tokens.full


def test_a_prompt_is_never_overwritten() -> None:
    prompt = torch.tensor([[1, 2], [3, 4]])
    tokens = DelayedTokens((0, 1), 4, 9, prompt)
    assert tokens.filled.tolist() == [[9, 1, 2], [9, 9, 3]]
    while not tokens.full:
        tokens.put(torch.tensor([7, 8]))
    assert tokens.frames(0, 4).tolist() == [[1, 2, 7, 7], [3, 4, 8, 8]]


def test_frames_are_complete_when_their_last_codebook_is() -> None:
    tokens = DelayedTokens((0, 1, 2, 3), 5, 9, NONE)
    seen = [tokens.num_complete_frames]
    while not tokens.full:
        tokens.put(torch.zeros(4, dtype=torch.int64))
        seen.append(tokens.num_complete_frames)
    assert seen == [0, 0, 0, 0, 1, 2, 3, 4, 5]


def test_a_prompt_that_leaves_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="a prompt of 3 frames in a window of 3"):
        DelayedTokens((0, 1), 3, 9, torch.zeros(2, 3, dtype=torch.int64))


def wish(num_frames: int, opening: int = 0) -> Wish:
    known = torch.zeros(2, opening, dtype=torch.int64) if opening else None
    return Wish("", num_frames, 60, 36, 1, Sampling(), 3.0, known)


@pytest.mark.parametrize(
    ("num_frames", "opening", "windows"),
    [
        (60, 0, [(60, 0)]),
        (61, 0, [(60, 0), (25, 24)]),
        (96, 0, [(60, 0), (60, 24)]),
        (130, 0, [(60, 0), (60, 24), (58, 24)]),
        (50, 7, [(50, 7)]),
        (100, 7, [(60, 7), (60, 24), (28, 24)]),
    ],
)
def test_windows(num_frames: int, opening: int, windows: list[tuple[int, int]]) -> None:
    assert list(wish(num_frames, opening).windows()) == windows


@pytest.mark.parametrize("num_frames", [1, 60, 61, 200])
def test_a_sequence_counts_its_steps_to_the_end(num_frames: int) -> None:
    config = LanguageModelConfig(64, 1, 1, 64, 2, 8, 8, (0, 1))
    sequence = Sequence(wish(num_frames), config)
    percents, complete = [0.0], []
    for step in range(10_000):
        if sequence.finished:
            break
        sequence.remember(sequence.num_unread)
        assert sequence.position == sequence.window.num_filled - 1
        assert sequence.position < sequence.wish.num_positions(config.max_delay)
        sequence.put(torch.tensor([step % 8, (step + 1) % 8]))
        percents.append(sequence.percent)
        complete.append(sequence.num_complete_frames)
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert complete == sorted(complete)
    assert complete[-1] == num_frames
    frames = sequence.frames(0, num_frames)
    assert frames.shape == (2, num_frames)
    assert ((frames >= 0) & (frames < 8)).all()


def test_chances_that_are_drawn_ahead_are_the_same() -> None:
    """However often a step is tried before it is done."""
    config = LanguageModelConfig(64, 1, 1, 64, 2, 8, 8, (0, 1))
    ahead, plain = Sequence(wish(9), config), Sequence(wish(9), config)
    for step in range(10):
        expected = plain.clocks
        for _ in range(1 + step % 3):
            assert torch.equal(ahead.clocks, expected)
            ahead.draw_ahead()
        for sequence in (ahead, plain):
            sequence.put(torch.tensor([step % 8, 0]))


def test_a_stride_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stride_frames is 60"):
        Wish("", 100, 60, 60, 1, Sampling(), 3.0)
