"""Runs the model for the engine: texts, prefills, decode steps and sound, in slots of a batch."""

from __future__ import annotations

from collections.abc import Sequence as Several

import torch

from server.events import Samples
from server.models.musicgen.checkpoint.loading import Checkpoint
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.kv_cache import KVCache, Positions, TextBatch
from server.models.musicgen.sampling import draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.sound import Sound
from server.models.musicgen.wish import Wish


class Performance:
    """A wish being met: its tokens and its sound."""

    def __init__(self, sequence: Sequence, sound: Sound) -> None:
        self.sequence = sequence
        self.sound = sound

    @property
    def finished(self) -> bool:
        return self.sequence.finished

    @property
    def begins_window(self) -> bool:
        return self.sequence.begins_window

    @property
    def percent(self) -> float:
        return self.sequence.percent


class Runner:
    """Methods are for the engine's thread if they do not say otherwise.

    `sequences` are those in the first slots, in order.

    Weights and cache are in `dtype`; the text encoder and the codec stay float32, as the reference
    runs them.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        num_slots: int,
        device: torch.device,
        dtype: torch.dtype,
        first_chunk_seconds: float,
    ) -> None:
        self.config = checkpoint.config
        self._device = device
        self._model = checkpoint.language_model
        self._model.place(device, dtype)
        self._codec = checkpoint.codec.to(device)
        self._text_encoder = checkpoint.text_encoder
        self._text_encoder.model.to(device)
        num_positions = self.config.window_frames + self.config.language_model.max_delay
        self._cache = KVCache(self.config.language_model, num_slots, num_positions, device, dtype)
        self._first_chunk_frames = round(first_chunk_seconds * self.config.codec.frame_rate)
        self._texts: TextBatch | None = None
        self._texts_of: list[Sequence] = []

    @property
    def codec(self) -> Codec:
        """For any thread: it remembers nothing of what it decodes."""
        return self._codec

    def check_prompt(self, prompt: str) -> None:
        """Raise `TooLarge` if it can never be read. For any thread."""
        self._text_encoder.tokens(prompt)

    @torch.inference_mode()
    def begin(self, wish: Wish) -> Performance:
        """Read the prompt; no token is drawn yet."""
        sequence = Sequence(wish, self._model.config)
        states = self._text_encoder.encode(wish.prompt)
        sequence.text = None if states is None else self._model.remember_text(states)
        sound = Sound(self._codec, self.config.channels, sequence, self._first_chunk_frames)
        return Performance(sequence, sound)

    @torch.inference_mode()
    def prefill(self, sequence: Sequence, slot: int) -> None:
        """Begin a window of `sequence` in `slot` and draw the tokens that follow its start."""
        tokens = sequence.window.filled.to(self._device)
        states = self._model.prefill(tokens, sequence.text, self._cache, slot)
        self._draw(sequence, self._model.logits(states[:, -1]))

    @torch.inference_mode()
    def decode_step(self, sequences: Several[Sequence]) -> None:
        """One step of all of them at once."""
        newest = torch.stack([sequence.window.newest for sequence in sequences])
        at = Positions.of([sequence.position for sequence in sequences], self._device)
        texts = self._text_batch(sequences)
        logits = self._model.decode_step(newest.to(self._device), at, texts, self._cache)
        for sequence, pair in zip(sequences, logits.split(2), strict=True):
            self._draw(sequence, pair)

    @torch.inference_mode()
    def sound(self, performance: Performance) -> Samples | None:
        """What can be heard of it now and was not before, [channels, n]."""
        return performance.sound.piece()

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """A sequence changes its slot."""
        self._cache.move(source, target)

    def forget(self) -> None:
        """Let go of what belonged to sequences that have left."""
        self._texts, self._texts_of = None, []

    def free_memory(self) -> None:
        """Give unused memory back to the device."""
        self.forget()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()

    def _draw(self, sequence: Sequence, logits: torch.Tensor) -> None:
        wish = sequence.wish
        guided = guide(logits, wish.guidance)
        sequence.put(draw(guided, wish.sampling, sequence.generator))

    def _text_batch(self, sequences: Several[Sequence]) -> TextBatch | None:
        """Made anew only when the batch has changed."""
        if self._texts_of != list(sequences):
            texts = [sequence.text for sequence in sequences]
            self._texts_of, self._texts = list(sequences), TextBatch.of(texts, self._device)
        return self._texts
