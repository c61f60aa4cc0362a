"""The instruments: a patch each, with the General MIDI program that comes nearest."""

from __future__ import annotations

from server.models.sketch.synthesis.instruments.basses import BASSES
from server.models.sketch.synthesis.instruments.ensembles import SUSTAINED
from server.models.sketch.synthesis.instruments.instrument import Instrument
from server.models.sketch.synthesis.instruments.keys import KEYS
from server.models.sketch.synthesis.instruments.plucked import PLUCKED
from server.models.sketch.synthesis.instruments.soloists import LEADS
from server.models.sketch.synthesis.instruments.textures import TEXTURES

INSTRUMENTS: dict[str, Instrument] = {**KEYS, **PLUCKED, **BASSES, **SUSTAINED, **LEADS, **TEXTURES}
