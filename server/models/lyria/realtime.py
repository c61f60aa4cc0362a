"""The model `lyria-realtime`: music that Google streams, passed on as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from server.events import ModelEvent
from server.generation import GenerationRequest
from server.models.base import ModelOptions
from server.models.lyria.controls import info_of
from server.models.lyria.keyed import KeyedModel
from server.models.lyria.performance import Performance


class LyriaRealtime(KeyedModel):
    """Google's live music service by proxy."""

    def __init__(self, name: str, options: ModelOptions) -> None:
        super().__init__(info_of(name), options, options.upstream.api_version)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[ModelEvent, None]:
        return Performance(request, self.upstream, self.clients).events()
