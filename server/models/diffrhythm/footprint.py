"""How much memory the model takes, judged before it is loaded. Needs no torch."""

from __future__ import annotations

from server.models.base import ModelOptions
from server.models.diffrhythm.pieces import StyleSource
from server.models.memory import may_have_gpu

#: Numbers of the larger transformer, one of which is held at a time.
TRANSFORMER_NUMBERS = 1_110_000_000
VAE_BYTES = 630_000_000
STYLE_BYTES = 2_700_000_000
#: Beside the weights, for the longest song, decoded in chunks.
WORKING_BYTES = 1_100_000_000
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


def needed_bytes(options: ModelOptions, source: StyleSource) -> int:
    """Of the published weights on the device that is chosen."""
    on_gpu = may_have_gpu(options.device)
    width = BYTES.get(options.precision, BYTES["fp16" if on_gpu else "fp32"])
    style = STYLE_BYTES if source.weights and not (on_gpu and options.style_device == "cpu") else 0
    return width * TRANSFORMER_NUMBERS + VAE_BYTES + style + WORKING_BYTES
