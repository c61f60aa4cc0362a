"""Says what was understood, for the start event."""

from __future__ import annotations

from server.models.sketch.composition.casting import cast
from server.models.sketch.reading.brief import Brief


def interpretation(brief: Brief) -> dict[str, object]:
    """What a listener may want to know, ready for JSON."""
    told: dict[str, object] = {
        "genre": brief.genre.name,
        "bpm": brief.bpm,
        "key": brief.key.name,
        "mode": brief.key.mode,
        "scale": brief.key.signature,
        "instruments": [name.replace("_", " ") for name in cast(brief).instruments],
        "moods": list(brief.moods),
        "without": sorted(name.replace("_", " ") for name in brief.without),
        "density": brief.density,
        "brightness": brief.brightness,
    }
    if brief.harmony_genre is not None:
        told["chords_of"] = brief.harmony_genre.name
    return told
