"""Runs the model for the engine: texts, reading ahead, decode steps and sound."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Several
from typing import Any

import torch

from server.models.base import NO_RESOURCES, Resources
from server.models.musicgen.backend import Backend, Memory
from server.models.musicgen.capacity import whole_pages
from server.models.musicgen.checkpoint.loading import Checkpoint
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.listener import Listener
from server.models.musicgen.sampling import Settings
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.sound import Sound
from server.models.musicgen.studio import Studio, decode
from server.models.musicgen.texts import Text, Texts
from server.models.musicgen.wish import MAX_TEXT_TOKENS, Wish


class Performance:
    """A wish being met: its tokens, what the model remembers of them and of the text, its sound."""

    def __init__(self, sequence: Sequence, memory: Memory, text: Text, sound: Sound) -> None:
        self.sequence = sequence
        self.memory = memory
        self.sound = sound
        self.text: Memory | None = None
        self._joined = False
        self._text = text

    @property
    def can_join(self) -> bool:
        return not self._joined and self._text.done()

    @property
    def can_step(self) -> bool:
        return self._joined and not self.num_unread and not self.sequence.finished

    @property
    def num_unread(self) -> int:
        """Positions to be read ahead of its next decode step."""
        return self.sequence.num_unread if self._joined else 0

    @property
    def percent(self) -> float:
        """Of the work done; 100 is only said once all sound has been made."""
        return 100.0 if self.sound.complete else min(99.9, self.sequence.percent)

    def join(self) -> None:
        """Take part from now on. Raises what kept the text from being read."""
        self.text = self._text.result()
        self._joined = True


class News:
    """Tells whoever wants to know, on any thread, that a text was read or a piece of sound made.

    It does not know the runner, which would otherwise keep itself, and its weights, alive.
    """

    def __init__(self) -> None:
        self.tell: Callable[[], None] = lambda: None

    def __call__(self, *what: object) -> None:
        self.tell()


class Runner:
    """Methods are for the engine's thread if they do not say otherwise.

    The text encoder and the codec's decoder run in `dtype`. `capacity` is what there is for
    requests.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: Backend[Any, Any],
        device: torch.device,
        dtype: torch.dtype,
        first_chunk_seconds: float,
    ) -> None:
        self.config = config = checkpoint.config
        self.capacity = NO_RESOURCES
        self.news = News()
        self._device = device
        self._backend = backend
        self._codec = checkpoint.codec
        self._codec.place(device, dtype)
        checkpoint.text_encoder.model.to(device, dtype)
        self._texts = Texts(checkpoint.text_encoder, backend)
        self.listener = Listener(self._codec, config)
        self.studio = Studio(self._codec, device.type != "cpu", self.news)
        self._first_chunk_frames = round(first_chunk_seconds * config.codec.frame_rate)
        self._batch: list[Sequence] = []
        self._settings: Settings | None = None

    @property
    def codec(self) -> Codec:
        """For any thread: it remembers nothing of what it decodes."""
        return self._codec

    @property
    def weights_bytes(self) -> int:
        """What the model holds whether it works or not."""
        return self._backend.weights_bytes + self._texts.weights_bytes + self._codec.weights_bytes

    def most_bytes(self, num_requests: int) -> int:
        """The most that so many requests can use, one of them with the longest text."""
        usual, longest = self._window_positions(0), self._window_positions(MAX_TEXT_TOKENS)
        windows = (num_requests - 1) * self._bytes_of(usual) + self._bytes_of(longest)
        return windows + self._texts.largest_bytes

    def num_bytes(self, wish: Wish) -> int:
        """The memory that `wish` will take. For any thread. Raises `TooLarge`."""
        return self._bytes_of(self._num_positions(wish)) + self._texts.num_bytes(wish.prompt)

    @property
    def least_columns(self) -> int:
        """To read fewer ahead takes no less time."""
        return self._backend.least_columns

    def make_room(self, capacity: Resources) -> None:
        """Get ready for as many requests as `capacity` lets in."""
        self.forget()
        self._backend.set_aside(capacity, self._window_positions(MAX_TEXT_TOKENS))
        self.capacity = capacity

    def warm_up(self, wish: Wish) -> None:
        """Make `wish` with nobody listening: what is set up on first use is set up then."""
        self.make_room(Resources(1, self.num_bytes(wish)))
        performance = self.begin(wish)
        performance.join()
        while not performance.sequence.finished:
            if performance.can_step:
                self.decode_step([performance])
            else:
                self.read_ahead(performance, performance.num_unread)
        decode(self._codec, [performance.sound.piece()])

    @torch.inference_mode()
    def begin(self, wish: Wish) -> Performance:
        """Reserve all memory that it will take; its text is read on another thread."""
        config = self.config
        sequence = Sequence(wish, config.language_model, self._num_prefix(wish))
        memory = self._backend.reserve(self._num_positions(wish))
        sound = Sound(self._codec, config.channels, sequence, self._first_chunk_frames)
        text = self._texts.remember(wish.prompt)
        text.add_done_callback(self.news)
        return Performance(sequence, memory, text, sound)

    @torch.inference_mode()
    def read_ahead(self, performance: Performance, most: int) -> int:
        """Read what its next decode step builds on, or up to `most` positions of it; returns how
        many were read."""
        sequence = performance.sequence
        read = self._read_prefix if sequence.num_unread_prefix else self._read_columns
        num_read = read(performance, most)
        sequence.remember(num_read)
        return num_read

    def _read_prefix(self, performance: Performance, most: int) -> int:
        sequence = performance.sequence
        start = sequence.position
        vectors = self._backend.prefix(sequence.melody, performance.text)[:, start : start + most]
        self._backend.read_prefix(vectors, start, performance.memory)
        return vectors.shape[1]

    def _read_columns(self, performance: Performance, most: int) -> int:
        sequence = performance.sequence
        tokens = sequence.unread[:, :most]
        self._backend.extend(tokens, sequence.position, performance.memory, performance.text)
        return tokens.shape[1]

    @torch.inference_mode()
    def decode_step(self, performances: Several[Performance]) -> int:
        """One step of all of them at once; returns the tokens drawn."""
        sequences = [each.sequence for each in performances]
        wait_for_tokens = self._backend.begin_step(
            torch.stack([sequence.window.newest for sequence in sequences]),
            [sequence.position for sequence in sequences],
            [each.memory for each in performances],
            [each.text for each in performances],
            self._settings_of(sequences),
            [sequence.clocks for sequence in sequences],
        )
        for sequence in sequences:
            sequence.draw_ahead()
        drawn = wait_for_tokens()
        for sequence, tokens in zip(sequences, drawn, strict=True):
            sequence.put(tokens)
        return drawn.numel()

    def _num_prefix(self, wish: Wish) -> int:
        return self.config.language_model.num_prefix(self._texts.num_tokens(wish.prompt))

    def _num_positions(self, wish: Wish) -> int:
        columns = wish.num_positions(self.config.language_model.max_delay)
        return self._num_prefix(wish) + columns

    def forget(self) -> None:
        """Let go of what belonged to sequences that have left."""
        self._batch, self._settings = [], None

    def free_memory(self) -> None:
        """Give unused memory back to the device."""
        self.forget()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()

    def close(self) -> None:
        self._texts.close()
        self.listener.close()
        self.studio.close()

    def _window_positions(self, num_text_tokens: int) -> int:
        """Of the longest window, with so long a text before it in models that have it there."""
        model = self.config.language_model
        return model.num_prefix(num_text_tokens) + self.config.window_frames + model.max_delay

    def _bytes_of(self, num_positions: int) -> int:
        pages = whole_pages(num_positions, self._backend.page_positions)
        return pages * self._backend.bytes_per_position

    def _settings_of(self, sequences: list[Sequence]) -> Settings:
        """Made anew only when the batch has changed."""
        if self._settings is None or self._batch != sequences:
            wishes = [sequence.wish for sequence in sequences]
            self._batch = sequences
            self._settings = Settings.of(
                [wish.sampling for wish in wishes],
                [wish.guidance for wish in wishes],
                self.config.language_model.codebook_size,
                self._device,
            )
        return self._settings
