"""What several patches share: unisons (cents, pan) and the resonances of bodies."""

from __future__ import annotations

from server.models.sketch.synthesis.patch import Formant

WIDE = ((-9.0, -0.7), (0.0, 0.0), (9.0, 0.7))
WIDER = ((-16.0, -0.9), (-7.0, -0.4), (0.0, 0.0), (7.0, 0.4), (16.0, 0.9))
PAIR = ((-5.0, -0.5), (5.0, 0.5))
WOOD = (
    Formant(110, 60, 0.9),
    Formant(220, 120, 0.9),
    Formant(480, 260, 0.8),
    Formant(2600, 2200, 1.3),
)
AAH = (Formant(720, 160, 1.6), Formant(1150, 180, 1.0), Formant(2700, 400, 0.45))
BOW = (Formant(290, 120, 0.8), Formant(700, 260, 1.0), Formant(2600, 1000, 0.9))
REED = (Formant(600, 300, 1.1), Formant(1500, 500, 0.9), Formant(2900, 700, 0.5))
