"""How a song is sampled, where a request does not say. Needs no torch."""

from __future__ import annotations

#: Points in time, ends included: one step fewer.
NUM_POINTS = 32
GUIDANCE = 4.0
