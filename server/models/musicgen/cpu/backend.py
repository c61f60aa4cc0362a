"""The language model on a CPU: the C++ decode step as the engine's backend."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from ctypes import byref
from typing import TypeAlias, cast

import torch
from torch import Tensor

from server.models.musicgen.cpu.library import CColumn, CMemory, Format, Library
from server.models.musicgen.cpu.memory import BLOCK_POSITIONS, Memory, bytes_of_head
from server.models.musicgen.cpu.packing import PackedModel
from server.models.musicgen.eager import Eager
from server.models.musicgen.kv_cache import ROWS, TextVectors
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.turns import Turns

#: What a model makes of a text: something to look at, or vectors before the tokens.
Text: TypeAlias = Memory | TextVectors
#: Read at once: enough to multiply many rows by each weight, few enough that a step waits little.
MAX_COLUMNS = 64
#: Of a text, read between two steps: they take about half as long as a step.
TEXT_VECTORS = 32
NO_TEXT = CMemory()


class CompiledModel(Eager):
    """`model` computed by `library` on `num_threads` threads: a `Backend`.

    Weights and what sequences remember are in `number_format`. What is remembered of texts, which
    is little, is never in int8. Raises `CannotRun` for sizes or instructions that it is not made
    for.
    """

    page_positions = BLOCK_POSITIONS
    turns: Turns

    def __init__(
        self,
        model: LanguageModel,
        library: Library,
        number_format: Format,
        num_threads: int,
        instruction_set: str | None = None,
    ) -> None:
        self.config = model.config
        self._library = library
        self._format: Format = number_format
        self._text_format: Format = "bf16" if number_format == "int8" else number_format
        self._num_heads = self.config.num_layers * self.config.num_heads
        kernels = library.kernels(instruction_set)
        self._model = PackedModel(model, number_format)
        self._step = library.create(byref(self._model.struct), kernels, num_threads, MAX_COLUMNS)
        if not self._step:
            raise MemoryError(f"no memory or no {num_threads} threads for the C++ decode step")
        # Not at the end of the process, when a step may still be running.
        weakref.finalize(self, library.free, self._step).atexit = False
        #: Texts are read on another thread than the engine's.
        self.turns = Turns()

    @property
    def weights_bytes(self) -> int:
        return self._model.num_bytes

    @property
    def bytes_per_position(self) -> int:
        return ROWS * self._num_heads * bytes_of_head(self._library, self._format)

    @property
    def bytes_per_text_token(self) -> int:
        if self.config.melody_frames:
            return self.config.dim * torch.float32.itemsize
        return self._num_heads * bytes_of_head(self._library, self._text_format)

    def reserve(self, num_positions: int) -> Memory:
        return Memory(self._library, ROWS * self._num_heads, num_positions, self._format)

    @torch.inference_mode()
    def remember_text(self, states: Tensor) -> Text:
        vectors = self._model.rest.text_projection(states.float()).contiguous()  # [T, D]
        if self.config.melody_frames:
            return TextVectors(vectors)
        text = Memory(self._library, self._num_heads, len(vectors), self._text_format)
        for first in range(0, len(vectors), TEXT_VECTORS):
            piece = vectors[first : first + TEXT_VECTORS]
            address = piece.data_ptr()
            self._call(self._library.remember_text, address, first, len(piece), byref(text.struct))
        return text

    def prefix(self, melody: Tensor | None, text: Text | None) -> Tensor:
        return self._model.rest.prefix(melody, cast("TextVectors | None", text))

    def read_prefix(self, vectors: Tensor, start: int, memory: Memory) -> None:
        if vectors.shape != (ROWS, len(vectors[0]), self.config.dim):
            raise ValueError(
                f"vectors of shape {list(vectors.shape)}, not [{ROWS}, S, {self.config.dim}]"
            )
        self._read_ahead(vectors.float().transpose(0, 1).contiguous(), start, memory, None)

    def extend(self, tokens: Tensor, start: int, memory: Memory, text: Text | None) -> None:
        self._read_ahead(self._checked(tokens.T), start, memory, text)

    def decode_step(
        self,
        tokens: Tensor,
        positions: Sequence[int],
        memories: Sequence[Memory],
        texts: Sequence[Text | None],
    ) -> Tensor:
        config, tokens = self.config, self._checked(tokens)
        logits = torch.empty(len(tokens), ROWS, config.num_codebooks, config.codebook_size)
        for first in range(0, len(tokens), MAX_COLUMNS):
            some = slice(first, first + MAX_COLUMNS)
            self._read(tokens[some], positions[some], memories[some], texts[some], logits[some])
        return logits

    def _read_ahead(self, contents: Tensor, start: int, memory: Memory, text: Text | None) -> None:
        """`contents` [S, K] or [S, 2, D] from position `start` on."""
        for first in range(0, len(contents), MAX_COLUMNS):
            some = contents[first : first + MAX_COLUMNS]
            positions = range(start + first, start + first + len(some))
            self._read(some, positions, [memory] * len(some), [text] * len(some), None)

    def _read(
        self,
        contents: Tensor,
        positions: Sequence[int],
        memories: Sequence[Memory],
        texts: Sequence[Text | None],
        logits: Tensor | None,
    ) -> None:
        """Columns `contents`, tokens [N, K] or vectors [N, 2, D]; their scores into `logits`
        [N, 2, K, card] if any."""
        columns = [
            self._column(*each) for each in zip(contents, positions, memories, texts, strict=True)
        ]
        num_scored, scores = (0, None) if logits is None else (len(logits), logits.data_ptr())
        array = (CColumn * len(columns))(*columns)
        self._call(self._library.run, array, len(columns), num_scored, scores)

    def _column(self, content: Tensor, position: int, memory: Memory, text: Text | None) -> CColumn:
        """Whatever is wrong here would be written somewhere in the process' memory."""
        if not 0 <= position < memory.num_positions:
            raise ValueError(f"position {position} of a memory of {memory.num_positions}")
        self._check_heads(memory, ROWS * self._num_heads)
        address, there = content.data_ptr(), memory.struct
        tokens, vectors = (address, None) if content.dim() == 1 else (None, address)
        if not isinstance(text, Memory):
            return CColumn(tokens, vectors, position, there, NO_TEXT, 0)
        self._check_heads(text, self._num_heads)
        return CColumn(tokens, vectors, position, there, text.struct, text.num_positions)

    def _check_heads(self, memory: Memory, num_heads: int) -> None:
        if memory.num_heads != num_heads:
            raise ValueError(f"a memory of {memory.num_heads} heads, not {num_heads}")

    def _checked(self, tokens: Tensor) -> Tensor:
        """`tokens` [N, K] in one piece. An index beyond the embeddings would read anything."""
        num_codebooks, special = self.config.num_codebooks, self.config.special_token
        if tokens.dim() != 2 or tokens.shape[1] != num_codebooks:
            raise ValueError(f"tokens of shape {list(tokens.shape)}, not [N, {num_codebooks}]")
        if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) <= special:
            raise ValueError(f"a token is not one of 0 to {special}: {tokens.tolist()}")
        return tokens.to(torch.int64).contiguous()

    def _call(self, function: Callable[..., bool], *arguments: object) -> None:
        with self.turns:
            done = function(self._step, *arguments)
        if not done:
            raise MemoryError("no memory for the C++ decode step")
