"""How models that have their work done by somebody else's service are to ask it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.models.key_pool import KeyPool


@dataclass(frozen=True)
class Upstream:
    """What the operator decided, and how long a service may be silent."""

    keys: KeyPool = field(default_factory=KeyPool)
    api_version: str = "v1alpha"
    #: How often something that failed is tried again with the same key, and how long after.
    max_retries: int = 3
    retry_delay_seconds: float = 5.0
    #: A session is left for a new one before the service would end it.
    session_seconds: float = 540.0
    setup_seconds: float = 10.0
    first_sound_seconds: float = 15.0
    gap_seconds: float = 10.0
    #: How long a whole song may take that comes in one answer.
    song_seconds: float = 240.0
