"""A melody without drums and bass: the published pipeline hears only vocals and the rest.

By Demucs (Rouard et al., 2023), an optional package: without it the whole mix is heard.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from loguru import logger

from server.audio.resampling import resampled, with_channels
from server.events import Samples, Warning

MODEL = "htdemucs"
HEARD = ("vocals", "other")
UNSEPARATED = "unseparated_melody"


def separated(samples: Samples, sample_rate: int) -> tuple[Samples, Warning | None]:
    """`samples` [1, n] without drums and bass; or unchanged, with a warning that says why."""
    if find_spec("demucs") is None:
        return samples, _unseparated('demucs is not installed (pip install -e ".[separation]")')
    try:
        return _separated(samples, sample_rate), None
    except Exception as error:  # of another package, its download, its device
        logger.opt(exception=error).warning("The melody could not be separated")
        return samples, _unseparated("demucs failed; the server's log says why")


def _separated(samples: Samples, sample_rate: int) -> Samples:
    import torch
    from demucs.apply import apply_model

    model = _model()
    mix = with_channels(resampled(samples, sample_rate, model.samplerate), model.audio_channels)
    with torch.inference_mode():
        stems = apply_model(model, torch.from_numpy(mix)[None])[0]  # [sources, channels, n]
        heard = sum(stems[model.sources.index(source)] for source in HEARD)
    mono = with_channels(heard.numpy(), 1)
    return resampled(mono, model.samplerate, sample_rate)[:, : samples.shape[1]]


@lru_cache(maxsize=1)
def _model() -> Any:
    from demucs.pretrained import get_model

    return get_model(MODEL).eval()


def _unseparated(reason: str) -> Warning:
    return Warning(
        UNSEPARATED, f"the melody is heard with its drums and bass, which may lead astray: {reason}"
    )
