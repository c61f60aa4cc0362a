"""Runs the model for the engine: texts, reading ahead, decode steps and sound."""

from __future__ import annotations

from collections.abc import Sequence as Several
from typing import Any

import torch

from server.events import Samples
from server.models.musicgen.backend import Backend, Memory
from server.models.musicgen.checkpoint.loading import Checkpoint
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.sound import Sound
from server.models.musicgen.texts import Text, Texts
from server.models.musicgen.wish import Wish


class Performance:
    """A wish being met: its tokens, what the model remembers of them and of the text, its sound."""

    def __init__(self, sequence: Sequence, memory: Memory, text: Text, sound: Sound) -> None:
        self.sequence = sequence
        self.memory = memory
        self.text = text
        self.sound = sound

    @property
    def finished(self) -> bool:
        return self.sequence.finished

    @property
    def percent(self) -> float:
        return self.sequence.percent

    @property
    def num_unread(self) -> int:
        """Columns to be read ahead of its next decode step."""
        return self.sequence.unread.shape[1]


class Runner:
    """Methods are for the engine's thread if they do not say otherwise.

    The text encoder and the codec stay float32, as the reference runs them.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: Backend[Any, Any],
        device: torch.device,
        first_chunk_seconds: float,
    ) -> None:
        self.config = checkpoint.config
        self._device = device
        self._backend = backend
        self._codec = checkpoint.codec.to(device)
        checkpoint.text_encoder.model.to(device)
        self._texts = Texts(checkpoint.text_encoder, backend)
        self._first_chunk_frames = round(first_chunk_seconds * self.config.codec.frame_rate)
        self._batch: list[Sequence] = []
        self._settings: Settings | None = None

    def num_bytes(self, wish: Wish) -> int:
        """The memory that `wish` will take. For any thread. Raises `TooLarge`."""
        positions = wish.num_positions(self.config.language_model.max_delay)
        return positions * self._backend.bytes_per_position + self._texts.num_bytes(wish.prompt)

    @torch.inference_mode()
    def begin(self, wish: Wish) -> Performance:
        """Reserve all memory that it will take; its text is read on another thread."""
        config = self.config
        sequence = Sequence(wish, config.language_model)
        memory = self._backend.reserve(wish.num_positions(config.language_model.max_delay))
        sound = Sound(self._codec, config.channels, sequence, self._first_chunk_frames)
        return Performance(sequence, memory, self._texts.remember(wish.prompt), sound)

    @torch.inference_mode()
    def read_ahead(self, performance: Performance, most_columns: int) -> int:
        """Read what its next decode step builds on, or a piece of it; returns the columns read."""
        sequence, text = performance.sequence, performance.text.result()
        tokens = sequence.unread[:, :most_columns]
        self._backend.extend(tokens, sequence.position, performance.memory, text)
        sequence.remember(tokens.shape[1])
        return tokens.shape[1]

    @torch.inference_mode()
    def decode_step(self, performances: Several[Performance]) -> None:
        """One step of all of them at once."""
        sequences = [each.sequence for each in performances]
        logits = self._backend.decode_step(
            torch.stack([sequence.window.newest for sequence in sequences]),
            [sequence.position for sequence in sequences],
            [each.memory for each in performances],
            [each.text.result() for each in performances],
        )
        settings = self._settings_of(sequences, logits.device)
        clocks = torch.stack([sequence.clocks for sequence in sequences]).to(logits.device)
        drawn = draw(guide(logits, settings.guidance), settings, clocks).cpu()
        for sequence, tokens in zip(sequences, drawn, strict=True):
            sequence.put(tokens)

    @torch.inference_mode()
    def sound(self, performance: Performance) -> Samples | None:
        """What can be heard of it now and was not before, [channels, n]."""
        return performance.sound.piece()

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

    def _settings_of(self, sequences: list[Sequence], device: torch.device) -> Settings:
        """Made anew only when the batch has changed."""
        if self._settings is None or self._batch != sequences:
            wishes = [sequence.wish for sequence in sequences]
            self._batch = sequences
            self._settings = Settings.of(
                [wish.sampling for wish in wishes],
                [wish.guidance for wish in wishes],
                self.config.language_model.codebook_size,
                device,
            )
        return self._settings
