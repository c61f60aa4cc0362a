"""What Lyria RealTime declares: its settings and what it is.

Ranges are those of Google's documentation of `LiveMusicGenerationConfig`, which its client does not
check.
"""

from __future__ import annotations

from server.generation import SCALES
from server.models.base import Control, ModelInfo

SAMPLE_RATE, CHANNELS = 48_000, 2
#: Seeds are int32 there, and not negative; ours are twice as many, so two may mean the same.
NUM_SEEDS = 2**31
#: The published job dialect allows more.
HIGHEST_GUIDANCE = 6.0
MODES = ("QUALITY", "DIVERSITY", "VOCALIZATION")

CONTROLS = (
    Control("bpm", "integer", "beats a minute; else the prompt decides", 60, 200),
    Control(
        "scale",
        "choice",
        "the key signature; else the prompt decides",
        choices=(*SCALES, "SCALE_UNSPECIFIED"),
    ),
    Control("density", "number", "how much goes on, 0 sparse to 1 busy", 0.0, 1.0),
    Control("brightness", "number", "how bright the sound is, 0 dark to 1 bright", 0.0, 1.0),
    Control("temperature", "number", "how adventurous", 0.0, 3.0, 1.1),
    Control("guidance", "number", "how closely to follow; above 6 counts as 6", 0.0, 10.0, 4.0),
    Control("top_k", "integer", "how many of the likeliest tokens to draw from", 1, 1000, 40),
    Control("mute_bass", "switch", "leave out the bass"),
    Control("mute_drums", "switch", "leave out the drums"),
    Control("only_bass_and_drums", "switch", "leave out everything else"),
    Control("music_generation_mode", "choice", "what to favour", None, None, "QUALITY", MODES),
)


def info_of(name: str) -> ModelInfo:
    """The model's description, under the name it is served by."""
    return ModelInfo(
        name=name,
        description="Google's Lyria RealTime by proxy: streams while it is made; needs a key",
        sample_rate=SAMPLE_RATE,
        channels=CHANNELS,
        max_duration_seconds=300,
        default_duration_seconds=30,
        needs_prompt=True,
        native_dialect="lyria",
        code_licence="the same as Continuo's",
        weights_licence="none here: Google's terms for its API hold for the music",
        abilities=frozenset({"weighted_prompts"}),
        controls=CONTROLS,
    )
