"""What can be said against a request for a song before anything is queued. Needs no torch."""

from __future__ import annotations

import math

from server.errors import BadRequest
from server.events import Samples
from server.generation import Edit, Recording
from server.models.diffrhythm.frames import FRAME_SAMPLES, SAMPLE_RATE
from server.models.diffrhythm.style import HEARD_SECONDS, heard

#: −80 dBFS: below this there is nothing to hear.
SILENCE = 1e-4


def check_style(recording: Recording) -> None:
    """Raise `BadRequest` where the style of `recording` cannot be heard."""
    seconds = recording.duration_seconds
    if seconds < HEARD_SECONDS:
        raise BadRequest(
            "style_audio", f"must have at least {HEARD_SECONDS} s of sound; it has {seconds:.3g} s"
        )
    if peak(heard(recording)) < SILENCE:
        raise BadRequest(
            "style_audio",
            f"is silent in the {HEARD_SECONDS} s in its middle, which are what is heard of it",
        )


def check_edit(edit: Edit) -> None:
    """Raise `BadRequest` where a segment is too short, or the song has nothing to hear."""
    frame_milliseconds = math.ceil(1000 * FRAME_SAMPLES / SAMPLE_RATE)
    for start, end in edit.segments:
        if (end - start) * SAMPLE_RATE < FRAME_SAMPLES:
            raise BadRequest(
                "edit_segments",
                f"must be at least {frame_milliseconds} ms long each; got [{start:g}, {end:g}]",
            )
    if peak(edit.song.samples) < SILENCE:
        raise BadRequest("edited_song", "is silent: there is nothing to hear in it")


def peak(samples: Samples) -> float:
    """The highest of `samples`, 0 for none."""
    if not samples.size:
        return 0.0
    return max(float(samples.max()), -float(samples.min()))
