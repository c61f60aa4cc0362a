"""What the model declares: its controls and what it is."""

from __future__ import annotations

from server.models.base import Control, ModelInfo
from server.models.sketch.composition.theory import SIGNATURES
from server.models.sketch.reading.tempo import FASTEST_BPM, SLOWEST_BPM
from server.models.sketch.synthesis.signal import SAMPLE_RATE

CONTROLS = (
    Control(
        "bpm",
        "integer",
        "beats a minute; else the prompt or the genre decides",
        SLOWEST_BPM,
        FASTEST_BPM,
    ),
    Control(
        "scale",
        "choice",
        "the key signature; genre and prompt decide between major and minor",
        choices=SIGNATURES,
    ),
    Control("density", "number", "how many notes, 0 sparse to 1 dense", 0.0, 1.0),
    Control("brightness", "number", "how bright the sound is, 0 dark to 1 bright", 0.0, 1.0),
    Control(
        "temperature",
        "number",
        "how adventurous; 0 takes the most usual choice every time",
        0.0,
        10.0,
        1.0,
    ),
    Control("guidance", "number", "how strictly the genre's rules are kept", 0.0, 20.0, 3.0),
)


def info_of(name: str) -> ModelInfo:
    """The model's description, under the name it is served by."""
    return ModelInfo(
        name=name,
        description="Procedural composer and synthesizer: no neural network, output free of rights",
        sample_rate=SAMPLE_RATE,
        channels=2,
        min_duration_seconds=1,
        max_duration_seconds=300,
        default_duration_seconds=30,
        code_licence="the same as Continuo's; the music it makes is free of rights",
        weights_licence="none: there are no weights",
        abilities=frozenset({"stems"}),
        formats=("midi",),
        controls=CONTROLS,
    )
