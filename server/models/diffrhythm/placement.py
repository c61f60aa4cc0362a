"""Where in a song each phoneme stands: one token a frame, a line from the frame it begins in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from server.models.diffrhythm.frames import frame_at

FILLER = 0
COMMA = 1
#: Ends a line, so that in a line it stands as a comma.
END = 2

Placed = NDArray[np.int64]


def place(lines: Iterable[tuple[float, list[int]]], num_frames: int) -> Placed:
    """Tokens [num_frames] of `lines`, each the seconds it begins at and its tokens.

    A line that begins before the last one has ended comes right after it; what is beyond the song
    is cut off.
    """
    placed = np.full(num_frames, FILLER, np.int64)
    free_frame = 0
    for seconds, tokens in lines:
        sung = [COMMA if token == END else token for token in tokens]
        start = max(frame_at(seconds), free_frame)
        room = placed[start : start + len(sung) + 1]
        room[:] = [*sung, END][: len(room)]
        free_frame = start + len(room)
    return placed
