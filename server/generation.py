"""What is wanted: the request that every dialect is translated into.

A leaf word: every layer may use it, it imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Seeds are what `torch.Generator` and `numpy.random.Generator` both take on every platform.
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class GenerationRequest:
    """One wish for music, in the server's own words.

    A field that is None was not sent: it takes the model's own default. The service fills in
    `model`, `duration_seconds` and `seed` before a model sees the request.
    """

    prompt: str
    model: str = ""
    duration_seconds: int | None = None
    seed: int | None = None
    format: str = "wav"

    # Sampling: published clients send these always, so every model accepts them.
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance: float | None = None

    # Musical controls: only for models that declare them.
    bpm: int | None = None
    scale: str | None = None
    density: float | None = None
    brightness: float | None = None

    # Abilities: refused by a model that lacks them.
    multiband_diffusion: bool = False
    stems: bool = False

    @property
    def num_seconds(self) -> int:
        """The duration, once the service has resolved it."""
        if self.duration_seconds is None:
            raise ValueError("the request has no duration yet: the service resolves it")
        return self.duration_seconds

    @property
    def drawn_seed(self) -> int:
        """The seed, once the service has resolved it."""
        if self.seed is None:
            raise ValueError("the request has no seed yet: the service resolves it")
        return self.seed
