"""Batched is alone: logits, tokens and memory, whoever comes and goes."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import numpy as np
import torch
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.models.base import NO_RESOURCES, Resources
from server.models.musicgen.runner import Runner
from server.models.musicgen.scheduler import Generation
from server.models.musicgen.wish import Sampling, Wish
from tests.models.musicgen.diary import Diary
from tests.models.musicgen.engines import (
    OTHERS,
    WINDOWED,
    WISH,
    Watched,
    sound_alone,
    start,
    tokens_alone,
    until,
)
from tests.models.musicgen.references import runner, tensor
from tests.models.musicgen.replay import LOGITS, Recorded, every_frame

SOAK = 300 if os.environ.get("CONTINUO_SOAK") else 0

VARIED = [
    WISH,
    *OTHERS,
    replace(WISH, sampling=Sampling(temperature=0.0), num_frames=18),
    replace(WISH, prompt="a " * 60, guidance=7.5, seed=9, sampling=Sampling(0.8, 3)),
    replace(WISH, opening=tensor("mono", "prompt_codes").numpy(), num_frames=40, seed=6),
]


@pytest.mark.parametrize("variant", ["mono", "stereo"])
def test_logits_of_a_batch_are_those_of_each_alone(variant: str) -> None:
    """Different positions, text lengths and no text at all, at every step of each."""
    model = runner(variant)._backend
    config = model.config
    random = torch.Generator().manual_seed(1)
    lengths, num_tokens = [1, 9, 4, 14, 9], [3, None, 17, 1, 8]
    tokens = [
        torch.randint(config.codebook_size, (config.num_codebooks, n + 6), generator=random)
        for n in lengths
    ]
    states = [None if n is None else torch.randn(n, config.text_dim) for n in num_tokens]
    texts = [None if each is None else model.remember_text(each) for each in states]
    alone, together = ([model.reserve(n + 6) for n in lengths] for _ in range(2))
    for memories in (alone, together):
        for memory, known, text, n in zip(memories, tokens, texts, lengths, strict=True):
            model.extend(known[:, :n], 0, memory, text)
    for step in range(6):
        newest = torch.stack([known[:, n + step] for known, n in zip(tokens, lengths, strict=True)])
        at = [n + step for n in lengths]
        batch = model.decode_step(newest, at, together, texts)
        assert batch.shape == (5, 2, config.num_codebooks, config.codebook_size)
        for row, memory in enumerate(alone):
            one = model.decode_step(newest[row : row + 1], [at[row]], [memory], [texts[row]])
            assert torch.allclose(batch[row], one[0], rtol=0, atol=LOGITS)
    assert torch.allclose(batch[1, 0], batch[1, 1], rtol=0, atol=LOGITS)  # no text
    assert not torch.allclose(batch[0, 0], batch[0, 1], atol=1e-2)


def test_tokens_of_a_batch_are_those_of_each_alone() -> None:
    make_all_together(Recorded(runner("mono")))


def make_all_together(recorded: Recorded) -> None:
    """All kinds of requests side by side, one joining at each step, reading ahead in pieces."""
    waiting = [recorded.begin(wish) for wish in VARIED]
    everyone, running = list(waiting), []
    while waiting or running:
        if waiting:
            running.append(waiting.pop(0))
            running[-1].join()
        for performance in running:
            while performance.num_unread:
                recorded.read_ahead(performance, 7)
        recorded.decode_step(running)
        running = [each for each in running if not each.sequence.finished]
    assert max(recorded.batches) == len(VARIED)
    for wish, performance in zip(VARIED, everyone, strict=True):
        recorded.assert_as_alone(performance.sequence, wish)
    recorded.close()


def test_a_replay_notices_a_wrong_token() -> None:
    recorded = Recorded(runner("mono"))
    performance = recorded.begin(WISH)
    performance.join()
    while not performance.sequence.finished:
        recorded.decode_step([performance])
    recorded.assert_as_alone(performance.sequence, WISH)
    with pytest.raises(AssertionError):
        recorded.assert_as_alone(performance.sequence, replace(WISH, seed=2))
    recorded.logits[performance.sequence][9] = recorded.logits[performance.sequence][9] + 2e-4
    with pytest.raises(AssertionError):
        recorded.assert_as_alone(performance.sequence, WISH)
    recorded.close()


SHORT = [
    replace(wish, num_frames=num_frames, seed=seed)
    for seed, (wish, num_frames) in enumerate(
        [*((wish, 5) for wish in VARIED[:4]), *((wish, 24) for wish in VARIED[:4])]
    )
]
CHOICES = [*SHORT, replace(WINDOWED, num_frames=30, window_frames=20, stride_frames=12)]


class Comings(RuleBasedStateMachine):
    """Requests come, leave and are done in any order, and memory runs out now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = Watched(self.new_runner())
        cost = self.watched.num_bytes(CHOICES[-1])
        self.watched.capacity = Resources(3, 2 * cost)
        self.engine = start(lambda: self.watched)
        self.engine.ready.result()
        self.asked: list[tuple[Wish, Generation, Diary]] = []

    def new_runner(self) -> Runner:
        return runner("mono")

    @rule(wish=st.sampled_from(CHOICES))
    def come(self, wish: Wish) -> None:
        diary = Diary()
        cost = Resources(1, self.watched.num_bytes(wish))
        generation = self.engine.submit(wish, cost, diary)  # type: ignore[arg-type]
        self.asked.append((wish, generation, diary))

    @precondition(lambda self: self.asked)
    @rule(pick=st.randoms(use_true_random=False))
    def leave(self, pick: Random) -> None:
        _, generation, diary = pick.choice(self.asked)
        self.engine.cancel(generation)
        assert diary.closed.wait(20)

    @precondition(lambda self: self.asked)
    @rule(pick=st.randoms(use_true_random=False))
    def be_done(self, pick: Random) -> None:
        assert pick.choice(self.asked)[2].closed.wait(20)

    @rule(num_steps=st.integers(1, 10))
    def work(self, num_steps: int) -> None:
        goal = self.watched.num_steps + num_steps
        until(lambda: self.watched.num_steps >= goal or not self.engine.num_running)

    @rule(where=st.sampled_from(["begin", "decode_step", "read_ahead", "codec", "text"]))
    def run_short_of_memory(self, where: str) -> None:
        self.watched.failures[where] = MemoryError

    @invariant()
    def nobody_takes_more_than_there_is(self) -> None:
        assert self.engine.num_running <= 3
        assert self.watched.tap.bytes_held <= self.watched.capacity.memory_bytes

    def teardown(self) -> None:
        for _, _, diary in self.asked:
            assert diary.closed.wait(20)
        until(lambda: self.engine.num_running == 0 and self.watched.all_gone)
        assert self.engine._scheduler.used == NO_RESOURCES
        assert self.watched.tap.bytes_held == 0
        self.watched.failures.clear()
        made = {sequence.wish: sequence for sequence in self.watched.logits if sequence.finished}
        for wish, generation, diary in self.asked:
            if generation.cancelled or diary.error is not None:
                continue
            sound, expected = diary.sound, sound_alone(wish)
            assert sound.shape == expected.shape
            self.watched.assert_as_alone(made[wish], wish)
            if torch.equal(every_frame(made[wish]), tokens_alone(wish)):
                assert np.abs(sound - expected).max() <= 1e-5
        self.engine.close()


Comings.TestCase.settings = hypothesis_settings(max_examples=SOAK or 8, stateful_step_count=10)
TestComings = Comings.TestCase
