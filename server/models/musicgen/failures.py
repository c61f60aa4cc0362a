"""What goes wrong while MusicGen makes music, in words for whoever asked for it."""

from __future__ import annotations

from server.errors import ContinuoError
from server.models import failures
from server.models.musicgen.wish import Wish

REMEDY = (
    "Ask for a shorter duration or prompt; on the server, lower MAX_BATCH or choose a smaller model"
)


def explain(error: Exception, wish: Wish) -> ContinuoError:
    """The error for whoever asked; a lost device is one for the whole process."""
    characters = f"a prompt of {len(wish.prompt)} characters"
    return failures.explain(error, f"{wish.num_frames} frames of music from {characters}", REMEDY)
