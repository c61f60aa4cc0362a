"""The published checkpoints, known without their weights."""

from __future__ import annotations

from dataclasses import dataclass

from server.models.base import Availability, Control, ModelInfo, installed

SAMPLE_RATE = 32_000
MAX_DURATION_SECONDS = 60
CODE_LICENCE = "MIT (this project's own implementation)"
WEIGHTS_LICENCE = "CC-BY-NC 4.0"

#: What MultiBand Diffusion needs, and ENGINE=audiocraft.
AUDIOCRAFT_PACKAGES = ("audiocraft", "torchaudio", "xformers")
INSTALL_AUDIOCRAFT = (
    'pip install -e ".[musicgen]" && pip install --no-deps -r requirements/audiocraft.txt, '
    "then start the server again"
)
DIFFUSION = "multiband_diffusion"

CONTROLS = (
    Control("guidance", "number", "how closely to follow the description", 0, 20, 3.0),
    Control("temperature", "number", "how adventurous; 0 takes the likeliest token", 0, 10, 1.0),
    Control("top_k", "integer", "draw from so many likeliest tokens; 0 from all", 0, None, 250),
    Control("top_p", "number", "above 0: draw from this share of likelihood, not top_k", 0, 1, 0.0),
)


@dataclass(frozen=True)
class Variant:
    """A published size; `channels` of its sound, and whether it hears melodies."""

    size: str
    channels: int = 1
    hears_melodies: bool = False

    @property
    def description(self) -> str:
        sound = "stereo" if self.channels == 2 else "mono"
        given = "text and melody" if self.hears_melodies else "text"
        return f"MusicGen {self.size}: {given} to {sound} music by a transformer over audio tokens"


#: The end of a published name → its size, and whether it hears melodies.
KINDS = {
    "small": ("small", False),
    "medium": ("medium", False),
    "large": ("large", False),
    "melody": ("medium", True),
    "melody-large": ("large", True),
}
VARIANTS = {
    f"facebook/musicgen-{prefix}{kind}": Variant(size, channels, hears_melodies)
    for prefix, channels in (("", 1), ("stereo-", 2))
    for kind, (size, hears_melodies) in KINDS.items()
}


def abilities(hears_melodies: bool) -> frozenset[str]:
    """Every one of them can go on from a recording."""
    own = {"continuation", "melody"} if hears_melodies else {"continuation"}
    return frozenset(own | {DIFFUSION} if can_diffuse().available else own)


def can_diffuse() -> Availability:
    """Whether MultiBand Diffusion can be run here; its weights are another matter."""
    return installed(AUDIOCRAFT_PACKAGES, INSTALL_AUDIOCRAFT)


def info_of(name: str) -> ModelInfo:
    """What is known of the model `name` before it is loaded; of a folder's own, less."""
    variant = VARIANTS.get(name, Variant("from a folder"))
    diffusion = can_diffuse()
    return ModelInfo(
        name=name,
        description=variant.description,
        sample_rate=SAMPLE_RATE,
        channels=variant.channels,
        max_duration_seconds=MAX_DURATION_SECONDS,
        code_licence=CODE_LICENCE,
        weights_licence=WEIGHTS_LICENCE,
        abilities=abilities(variant.hears_melodies),
        obtainable={} if diffusion.available else {DIFFUSION: diffusion.remedy},
        controls=CONTROLS,
    )
