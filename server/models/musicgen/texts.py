"""What the model remembers of prompts: made on threads of their own, once for all who share one.

Reading a prompt takes as long as several decode steps, or a hundred for a long one; here nobody who
is already playing waits for it, and no short one waits for a long one.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias
from weakref import ReferenceType, WeakValueDictionary, ref

import torch
from torch import Tensor

from server.models.musicgen.backend import Backend, Memory
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.priority import NICE, NICEST, give_way
from server.models.musicgen.text_encoder import TextEncoder
from server.models.musicgen.wish import MAX_TEXT_TOKENS

#: What is remembered of a prompt, soon; None for the empty one, which conditions nothing.
Text: TypeAlias = "Future[Memory | None]"
#: A prompt of more characters is a long one.
SHORT_CHARACTERS = 300
#: Of a turn, after which those who wait go first.
TURN_SECONDS = 0.015


class Texts:
    """`remember` is for one thread, `num_bytes` for any."""

    def __init__(self, encoder: TextEncoder, backend: Backend[Any, Any]) -> None:
        self._encoder = encoder
        self._backend = backend
        device = encoder.model.device
        self._short = ThreadPoolExecutor(1, "texts", give_way, (device, NICE))
        self._long = ThreadPoolExecutor(1, "long texts", give_way, (device, NICEST))
        self._in_use: WeakValueDictionary[str, Text] = WeakValueDictionary()

    @property
    def weights_bytes(self) -> int:
        """Of the text encoder."""
        return sum(parameter.nbytes for parameter in self._encoder.model.parameters())

    @property
    def largest_bytes(self) -> int:
        """The most that a prompt can take."""
        return self._bytes_of(MAX_TEXT_TOKENS)

    def num_bytes(self, prompt: str) -> int:
        """What `prompt` will take. Raises `TooLarge` if it can never be read."""
        return self._bytes_of(self.num_tokens(prompt))

    def num_tokens(self, prompt: str) -> int:
        """Raises `TooLarge` if it can never be read."""
        return len(self._encoder.tokens(prompt)) if prompt else 0

    def remember(self, prompt: str) -> Text:
        """Read `prompt`, or share what somebody who still runs has of it.

        If all who wanted it have let go of the answer before it is there, it is not made.
        """
        text = self._in_use.get(prompt)
        if text is None or (text.done() and text.exception() is not None):
            text = self._in_use[prompt] = Future()
            reader = self._short if self._is_short(prompt) else self._long
            reader.submit(self._read, prompt, ref(text))
        return text

    def _bytes_of(self, num_tokens: int) -> int:
        pages = whole_pages(num_tokens, self._backend.page_positions)
        return pages * self._backend.bytes_per_text_token

    def close(self) -> None:
        for reader in (self._short, self._long):
            reader.shutdown(wait=False, cancel_futures=True)

    def _read(self, prompt: str, wanted: ReferenceType[Text]) -> None:
        try:
            memory = self._memory_of(prompt, wanted)
        except BaseException as error:
            _fail(wanted, error)
        else:
            if (text := wanted()) is not None:
                text.set_result(memory)

    @torch.inference_mode()
    def _memory_of(self, prompt: str, wanted: ReferenceType[Text]) -> Memory | None:
        states = self._states_of(prompt) if wanted() is not None else None
        if states is None or wanted() is None:  # what it would take is no longer reserved
            return None
        return self._backend.remember_text(states)

    def _states_of(self, prompt: str) -> Tensor | None:
        """A short prompt is read in turn with the steps: beside them both would take longer."""
        turns = self._backend.turns
        if turns is None or not self._is_short(prompt) or self._encoder.knows(prompt):
            return self._encoder.encode(prompt)
        with turns:
            return self._encoder.encode(prompt, partial(turns.pause, TURN_SECONDS))

    def _is_short(self, prompt: str) -> bool:
        return len(prompt) <= SHORT_CHARACTERS


def _fail(wanted: ReferenceType[Text], error: BaseException) -> None:
    """In a function of its own: the error's frames must not hold what holds the error."""
    if (text := wanted()) is not None:
        text.set_exception(error)
