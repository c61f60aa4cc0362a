"""The recordings that came with a request, as files that hold every sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from server.generation import GenerationRequest, Recording


def recordings_of(request: GenerationRequest) -> dict[str, Recording]:
    """Its recordings, by the names of their fields."""
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    return {name: value for name, value in values.items() if isinstance(value, Recording)}


def write_inputs(folder: Path, recordings: Mapping[str, Recording]) -> None:
    """A WAV of 32-bit floats each. Blocking."""
    for name, recording in recordings.items():
        path = folder / f"{name}.wav"
        soundfile.write(path, recording.samples.T, recording.sample_rate, subtype="FLOAT")


def with_inputs(request: GenerationRequest, folder: Path) -> GenerationRequest:
    """The request with the recordings that `folder` holds, if it is there. Blocking."""
    recordings: dict[str, Any] = {file.stem: _read(file) for file in folder.glob("*.wav")}
    return replace(request, **recordings)


def _read(path: Path) -> Recording:
    samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return Recording(np.ascontiguousarray(samples.T), sample_rate)
