"""DiffRhythm as a model of this server. Importing this needs no torch: `prepare` brings it in."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from loguru import logger

from server.errors import Unavailable
from server.events import ModelEvent
from server.generation import GenerationRequest
from server.models.base import Availability, Control, ModelInfo, ModelOptions
from server.models.diffrhythm.checks import check_edit, check_style
from server.models.diffrhythm.footprint import needed_bytes
from server.models.diffrhythm.frames import (
    CHANNELS,
    LONG_SECONDS,
    SAMPLE_RATE,
    SHORT_SECONDS,
    max_frames,
)
from server.models.diffrhythm.lyrics import read_lyrics, with_times
from server.models.diffrhythm.phonemes.scripts import check_scripts, has_chinese
from server.models.diffrhythm.pieces import MUQ, Pieces, StyleSource
from server.models.diffrhythm.schedule import GUIDANCE, NUM_POINTS
from server.models.diffrhythm.style import MAX_PROMPT_CHARACTERS
from server.models.threaded import ThreadedModel

if TYPE_CHECKING:
    from server.models.diffrhythm.engine import Engine

MEMORY_REMEDY = "Ask for a shorter song; on the server, lower MAX_BATCH or set STYLE_DEVICE=cpu"


class DiffRhythm(ThreadedModel):
    """Lyrics with times to a whole song, and songs made anew in parts."""

    style_source: ClassVar[StyleSource] = MUQ
    num_points: ClassVar[int] = NUM_POINTS

    def __init__(self, name: str, options: ModelOptions) -> None:
        self._pieces = Pieces(name, options, self.style_source)
        self._engine: Engine | None = None
        self._options = options
        super().__init__(_info(name), options)

    @property
    def info(self) -> ModelInfo:
        """What is known of it now: pieces may come while the server runs."""
        return replace(self._info, availability=self._availability())

    @info.setter
    def info(self, info: ModelInfo) -> None:
        self._info = info

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """With the lyrics as LRC. Raises `BadRequest` with the field, and the line of lyrics;
        `Unavailable` where what this song needs, and others do not, is not here."""
        lines = read_lyrics(request.lyrics or "", request.num_seconds)
        check_scripts(lines)
        if request.style_audio is not None:
            check_style(request.style_audio)
        if request.edit is not None:
            check_edit(request.edit)
        _require(self._pieces.availability_of(max_frames(request.num_seconds)))
        if has_chinese(lines):
            _require(self._pieces.availability_of_chinese())
        if request.lyrics is None:
            return request
        return replace(request, lyrics=with_times(request.lyrics, request.num_seconds))

    def interpret(self, request: GenerationRequest) -> Mapping[str, object]:
        return {} if request.lyrics is None else {"lyrics": request.lyrics}

    def needed_bytes(self) -> int:
        return needed_bytes(self._options, self.style_source)

    def prepare(self) -> None:
        _require(self._availability())
        self._report("importing torch")
        from server.models.diffrhythm.build import build

        self._engine = build(
            self._options,
            self._pieces.places(self._report),
            self.style_source,
            self._pieces.at_hand()[0],
            self.num_points,
            self._report,
        )
        self.memory_bytes = self._engine.num_bytes
        self.activity = ""

    def steps(self, request: GenerationRequest) -> Generator[ModelEvent, None, None]:
        from server.models.failures import explain

        assert self._engine is not None, "load comes first"
        try:
            yield from self._engine.steps(request)
        except Exception as error:
            making = f"a song of {request.num_seconds} s"
            raise explain(error, making, MEMORY_REMEDY) from None

    async def close(self) -> None:
        await super().close()
        if self._engine is not None:
            self._engine = None
            await asyncio.to_thread(_give_back_memory)

    def _availability(self) -> Availability:
        return Availability() if self._engine is not None else self._pieces.availability()

    def _report(self, activity: str) -> None:
        self.activity = activity
        logger.info("Model {}: {}", self._info.name, activity)


def _info(name: str) -> ModelInfo:
    return ModelInfo(
        name=name,
        description="DiffRhythm: lyrics with times to a whole song, and editing one",
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        min_duration_seconds=SHORT_SECONDS,
        max_duration_seconds=LONG_SECONDS,
        default_duration_seconds=SHORT_SECONDS,
        max_prompt_characters=MAX_PROMPT_CHARACTERS,
        code_licence="MIT (this project's own implementation)",
        weights_licence=(
            "transformer Apache 2.0; autoencoder Stability AI Community; style encoder (MuQ-MuLan) "
            "CC-BY-NC 4.0: together for non-commercial use only"
        ),
        abilities=frozenset({"lyrics", "style_audio", "edited_song", "whole_decoding"}),
        controls=(
            Control("guidance", "number", "how closely to follow the wish", 0, 20, GUIDANCE),
        ),
    )


def _require(availability: Availability) -> None:
    if not availability.available:
        raise Unavailable(availability.reason, availability.remedy)


def _give_back_memory() -> None:
    from server.models.devices import give_back_memory

    give_back_memory()
