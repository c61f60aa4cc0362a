"""The text encoder: T5 (Raffel et al., 2020) through transformers, its results kept by prompt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, T5Config, T5EncoderModel

from server.errors import TooLarge
from server.models.checkpoints.errors import WrongCheckpoint
from server.models.musicgen.wish import MAX_TEXT_TOKENS

#: About 50 MB of states at T5-base's width.
MAX_CACHED_TOKENS = 16_384
CHARACTERS_PER_TOKEN = 4
#: The second is what the first was made from.
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
#: The reference cuts no prompt; without a bound the tokenizer would warn about long ones.
UNBOUNDED = 10**9


def _go_on() -> None: ...


class TextEncoder:
    """Prompt → states [T, text_dim] float32, one for each token and one for the end.

    `model` is T5's encoder. For any thread.
    """

    def __init__(self, model: T5EncoderModel, tokenizer: Any) -> None:
        self.model = model.eval()
        self._tokenizer = tokenizer
        self._one_at_a_time = threading.Lock()
        self._known: OrderedDict[str, Tensor] = OrderedDict()
        self._calling = threading.local()
        for block in model.encoder.block:
            block.register_forward_pre_hook(self._pause)
        self._num_known_tokens = 0

    def tokens(self, prompt: str) -> list[int]:
        """The token numbers of `prompt`, the end's included; what is no Unicode becomes "?".

        Raises `TooLarge`, with the numbers.
        """
        clean = prompt.encode("utf-8", "replace").decode("utf-8")
        with self._one_at_a_time:  # the tokenizer sets itself up anew at each call
            tokens = list(self._tokenizer(clean)["input_ids"])
        if len(tokens) > MAX_TEXT_TOKENS:
            raise TooLarge(
                "prompt",
                f"must be at most {MAX_TEXT_TOKENS} tokens of the text encoder, about "
                f"{CHARACTERS_PER_TOKEN * MAX_TEXT_TOKENS} characters of English; got "
                f"{len(tokens)} tokens in {len(prompt)} characters. Say it in fewer words",
            )
        return tokens

    def knows(self, prompt: str) -> bool:
        """Whether `encode` has nothing to compute."""
        return not prompt or prompt in self._known

    def encode(self, prompt: str, pause: Callable[[], None] = _go_on) -> Tensor | None:
        """The states of `prompt`; None for the empty prompt, which conditions nothing.

        `pause` is called before each of the encoder's layers.
        """
        if not prompt:
            return None
        with self._one_at_a_time:
            if prompt in self._known:
                self._known.move_to_end(prompt)
                return self._known[prompt]
        self._calling.pause = pause
        states = self._states(prompt)
        with self._one_at_a_time:
            self._keep(prompt, states)
        return states

    def _states(self, prompt: str) -> Tensor:
        tokens = torch.tensor([self.tokens(prompt)], device=self.model.device)
        return self.model(input_ids=tokens).last_hidden_state[0].float()  # type: ignore[no-any-return]

    def _pause(self, *_: object) -> None:
        getattr(self._calling, "pause", _go_on)()

    def _keep(self, prompt: str, states: Tensor) -> None:
        if prompt in self._known:  # another thread has read it meanwhile
            return
        self._known[prompt] = states
        self._num_known_tokens += len(states)
        while self._num_known_tokens > MAX_CACHED_TOKENS and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._num_known_tokens -= len(oldest)


def empty_t5(config: T5Config) -> T5EncoderModel:
    """The encoder without its weights, on the meta device."""
    try:
        with torch.device("meta"):
            return T5EncoderModel(config)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise WrongCheckpoint(f"the text encoder's configuration is impossible: {error}") from error


def read_tokenizer(folder: Path, num_embeddings: int) -> Any:
    """The tokenizer in `folder`, for an encoder of so many tokens. Raises `WrongCheckpoint`."""
    # transformers would make an empty tokenizer of no files at all
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise WrongCheckpoint(f"{TOKENIZER_FILES[0]} is missing; fetch it")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, model_max_length=UNBOUNDED
        )
    except Exception as error:  # of transformers and the libraries below it: each has its own types
        raise WrongCheckpoint(
            "the tokenizer's files (tokenizer.json or spiece.model) are damaged or incomplete; "
            "fetch them again"
        ) from error
    if len(tokenizer) > num_embeddings:
        raise WrongCheckpoint(
            f"the tokenizer has {len(tokenizer)} tokens, but the text encoder {num_embeddings}: "
            "they belong to different models; fetch both again"
        )
    return tokenizer
