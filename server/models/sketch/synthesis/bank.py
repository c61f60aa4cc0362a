"""The sounds of one piece: every distinct note is rendered once and kept."""

from __future__ import annotations

from server.models.sketch.synthesis.additive import render_loop
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.modulation import render_distorted, render_fm
from server.models.sketch.synthesis.patch import FmPatch, LoopPatch, StringPatch, TexturePatch
from server.models.sketch.synthesis.signal import Signal, frequency_of
from server.models.sketch.synthesis.strings import render_string
from server.models.sketch.synthesis.textures import render_texture

HARD_FROM = 0.62  # velocities from here on have the brighter of two renderings
_SOFT_SHINE, _HARD_SHINE = 0.72, 1.1


class SoundBank:
    """Renders tones on demand; `shine` is the piece's brightness, 1 as the patches are written."""

    def __init__(self, shine: float) -> None:
        self.shine = shine
        self._tones: dict[tuple[str, int, bool], Signal] = {}

    def tone(self, instrument: str, pitch: int, hard: bool, num_samples: int) -> Signal:
        """The note at least `num_samples` long; ask for the longest first, shorter ones are cut."""
        key = (instrument, pitch, hard)
        kept = self._tones.get(key)
        if kept is None or kept.shape[1] < num_samples:
            kept = self._rendered(instrument, pitch, hard, num_samples)
            self._tones[key] = kept
        return kept

    def _rendered(self, instrument: str, pitch: int, hard: bool, num_samples: int) -> Signal:
        patch = INSTRUMENTS[instrument].patch
        frequency = frequency_of(pitch)
        shine = self.shine * (_HARD_SHINE if hard else _SOFT_SHINE)
        if isinstance(patch, LoopPatch):
            return render_loop(patch, frequency, num_samples, shine)
        if isinstance(patch, StringPatch):
            return render_string(patch, frequency, num_samples, shine)
        if isinstance(patch, FmPatch):
            return render_fm(patch, frequency, num_samples, shine)
        if isinstance(patch, TexturePatch):
            return render_texture(patch, pitch, num_samples, shine)
        return render_distorted(patch, frequency, num_samples, shine)
