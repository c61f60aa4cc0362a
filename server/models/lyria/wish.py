"""A request in the words of Google's live music service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.events import Warning
from server.generation import GenerationRequest, WeightedPrompt
from server.models.lyria.controls import HIGHEST_GUIDANCE, NUM_SEEDS

if TYPE_CHECKING:
    from google.genai import types

#: A session that goes on for another must not play its beginning again.
NEXT_SESSION_SEED_STEP = 7919
#: Fields of the request and of the configuration alike.
ALIKE = (
    "temperature",
    "top_k",
    "bpm",
    "density",
    "brightness",
    "scale",
    "mute_bass",
    "mute_drums",
    "only_bass_and_drums",
    "music_generation_mode",
)


@dataclass(frozen=True)
class Wish:
    """What a session is told once it is open."""

    request: GenerationRequest
    num_sessions_before: int = 0

    def later(self) -> Wish:
        """The same, for a session that goes on where another one ended."""
        return replace(self, num_sessions_before=self.num_sessions_before + 1)

    @property
    def prompts(self) -> list[WeightedPrompt]:
        own = [WeightedPrompt(self.request.prompt)] if self.request.prompt.strip() else []
        return [*own, *(self.request.weighted_prompts or ())]

    @property
    def warnings(self) -> Iterator[Warning]:
        """What is not as it was asked for."""
        guidance = self.request.guidance
        if guidance is not None and guidance > HIGHEST_GUIDANCE:
            said = f"guidance {guidance:g} counts as {HIGHEST_GUIDANCE:g}, the most Lyria has"
            yield Warning("guidance_clamped", said)

    def weighted_prompts(self) -> list[types.WeightedPrompt]:
        """As the client of Google takes them."""
        from google.genai import types

        return [types.WeightedPrompt(text=each.text, weight=each.weight) for each in self.prompts]

    def configuration(self) -> types.LiveMusicGenerationConfig:
        """All of it: a configuration that is sent replaces the one before as a whole."""
        from google.genai import types

        request = self.request
        seed = request.drawn_seed + self.num_sessions_before * NEXT_SESSION_SEED_STEP
        guidance = request.guidance
        return types.LiveMusicGenerationConfig(
            seed=seed % NUM_SEEDS,
            guidance=None if guidance is None else min(guidance, HIGHEST_GUIDANCE),
            **{name: getattr(request, name) for name in ALIKE},
        )
