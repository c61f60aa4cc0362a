from __future__ import annotations

from pathlib import Path

import numpy as np

from server.generation import GenerationRequest, Recording
from server.stores.input_files import recordings_of, with_inputs, write_inputs


def test_recordings_come_back_sample_for_sample(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    mono = Recording(random.uniform(-1, 1, (1, 1000)).astype(np.float32), 44_100)
    stereo = Recording(random.uniform(-1, 1, (2, 999)).astype(np.float32), 8_000)
    request = GenerationRequest("x", melody=mono, continuation=stereo, seed=3)
    write_inputs(tmp_path, recordings_of(request))
    back = with_inputs(GenerationRequest("x", seed=3), tmp_path)
    for before, after in ((mono, back.melody), (stereo, back.continuation)):
        assert after is not None
        assert np.array_equal(before.samples, after.samples)
        assert before.sample_rate == after.sample_rate


def test_a_request_without_recordings_has_no_folder(tmp_path: Path) -> None:
    request = GenerationRequest("x")
    assert recordings_of(request) == {}
    assert with_inputs(request, tmp_path / "nowhere") == request
