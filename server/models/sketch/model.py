"""The model `sketch`: reads the request, composes a score, renders it bar by bar."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np

from server.events import AudioChunk, Document, ModelEvent, Progress
from server.generation import GenerationRequest
from server.models.base import ModelOptions
from server.models.sketch.composition.composer import compose
from server.models.sketch.controls import info_of
from server.models.sketch.interpretation import interpretation
from server.models.sketch.midi import midi_of
from server.models.sketch.reading.request import brief_for
from server.models.sketch.synthesis.signal import SAMPLE_RATE
from server.models.threaded import ThreadedModel


class Sketch(ThreadedModel):
    """Procedural music: same request and seed, same bytes; another seed, another piece."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(info_of(name), options)

    def prepare(self) -> None:
        """Compose and render a second, so that the first listener waits for nothing."""
        for _ in self.steps(GenerationRequest("house", duration_seconds=1, seed=0)):
            pass

    def interpret(self, request: GenerationRequest) -> Mapping[str, object]:
        """Genre, tempo, key, instruments, moods: what was read in prompt and fields."""
        return interpretation(brief_for(request))

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        """A chunk and the progress for each bar, of the first bar for each beat; a MIDI file at
        the end, if that was asked for."""
        # scipy takes most of a second to import: not at the server's start
        from server.models.sketch.mixing.mixer import rendered

        brief = brief_for(request)
        score = compose(brief)
        total, made = brief.duration_seconds * SAMPLE_RATE, 0
        for stretch in rendered(score, brief.finish, stems=request.stems):
            parts = stretch.stems or {}
            stems = {str(bus): stem.astype(np.float32) for bus, stem in parts.items()}
            made += stretch.mix.shape[1]
            yield AudioChunk(stretch.mix.astype(np.float32), stems=stems)
            yield Progress(100.0 if made == total else 100.0 * made / total)
        if request.format == "midi":
            yield Document("midi", midi_of(score))
