"""Prompts are read once for all who share one, and not for those who have left."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.models.musicgen.texts import SHORT_CHARACTERS, Texts
from server.models.musicgen.turns import Turns
from tests.models.musicgen.engines import until

SECONDS = 20.0


class Encoder:
    """Reads a prompt when `may_read` is set."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(device=torch.device("cpu"))
        self.may_read = threading.Event()
        self.may_read_long_ones = threading.Event()
        self.begun: list[str] = []
        self.pauses: list[Callable[[], None] | None] = []

    def knows(self, prompt: str) -> bool:
        return False

    def encode(self, prompt: str, pause: Callable[[], None] | None = None) -> torch.Tensor:
        self.begun.append(prompt)
        self.pauses.append(pause)
        may_read = self.may_read_long_ones if is_long(prompt) else self.may_read
        assert may_read.wait(SECONDS)
        if prompt == "bad":
            raise MemoryError
        return torch.zeros(len(prompt), 2)


def is_long(prompt: str) -> bool:
    return len(prompt) > SHORT_CHARACTERS


class Backend:
    turns: Turns | None = None

    def __init__(self) -> None:
        self.remembered: list[int] = []

    def remember_text(self, states: torch.Tensor) -> torch.Tensor:
        self.remembered.append(len(states))
        return states


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def texts(encoder: Encoder, backend: Backend) -> Iterator[Texts]:
    texts = Texts(encoder, backend)  # type: ignore[arg-type]
    yield texts
    encoder.may_read.set()
    encoder.may_read_long_ones.set()
    texts.close()


def test_a_prompt_is_read_once_for_all_who_share_it(
    texts: Texts, encoder: Encoder, backend: Backend
) -> None:
    encoder.may_read.set()
    first, second = texts.remember("house"), texts.remember("house")
    assert first.result(SECONDS) is second.result(SECONDS)
    assert encoder.begun == ["house"]
    assert backend.remembered == [5]


def test_nothing_is_remembered_for_who_left_while_it_was_read(
    texts: Texts, encoder: Encoder, backend: Backend
) -> None:
    leaver = texts.remember("techno")
    until(lambda: encoder.begun == ["techno"])
    del leaver
    stayed = texts.remember("jazz")
    encoder.may_read.set()
    assert stayed.result(SECONDS) is not None
    assert backend.remembered == [4]


def test_nothing_is_read_for_who_left_before(
    texts: Texts, encoder: Encoder, backend: Backend
) -> None:
    stayed = texts.remember("jazz")
    leaver = texts.remember("techno")
    del leaver
    last = texts.remember("soul")
    encoder.may_read.set()
    assert stayed.result(SECONDS) is not None
    assert last.result(SECONDS) is not None
    assert encoder.begun == ["jazz", "soul"]


def test_a_short_prompt_does_not_wait_for_a_long_one(texts: Texts, encoder: Encoder) -> None:
    encoder.may_read.set()
    long = texts.remember("a" * (SHORT_CHARACTERS + 1))
    short = texts.remember("a" * SHORT_CHARACTERS)
    assert short.result(SECONDS) is not None
    assert not long.done()
    encoder.may_read_long_ones.set()
    assert long.result(SECONDS) is not None


def test_short_prompts_take_turns_with_the_steps_and_long_ones_go_beside(
    texts: Texts, encoder: Encoder, backend: Backend
) -> None:
    backend.turns = Turns()
    encoder.may_read_long_ones.set()
    encoder.may_read.set()
    with backend.turns:
        short, long = texts.remember("jazz"), texts.remember("a" * (SHORT_CHARACTERS + 1))
        assert long.result(SECONDS) is not None
        assert not short.done()
    assert short.result(SECONDS) is not None
    assert [pause is None for pause in encoder.pauses] == [True, False]


def test_what_could_not_be_read_is_tried_anew(texts: Texts, encoder: Encoder) -> None:
    encoder.may_read.set()
    failed = texts.remember("bad")
    assert isinstance(failed.exception(SECONDS), MemoryError)
    again = texts.remember("bad")
    assert again is not failed
    assert isinstance(again.exception(SECONDS), MemoryError)


def test_a_failure_holds_nothing_for_longer_than_it_is_held(texts: Texts, encoder: Encoder) -> None:
    encoder.may_read.set()
    failed = texts.remember("bad")
    gone = weakref.ref(failed)
    assert isinstance(failed.exception(SECONDS), MemoryError)
    gc.disable()
    try:
        del failed
        until(lambda: gone() is None)
    finally:
        gc.enable()
