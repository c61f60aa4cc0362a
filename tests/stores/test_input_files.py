from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from server.generation import GenerationRequest, Recording
from server.stores.input_files import recordings_of, with_inputs, write_inputs
from server.stores.stored_job import request_from_json, request_to_json


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


def test_an_edit_is_whole_again_when_its_files_have_been_read(tmp_path: Path) -> None:
    song = Recording(np.ones((2, 100), np.float32), 10)
    request = GenerationRequest("x", edited_song=song, edit_segments=((0.0, 2.5), (5.0, 10.0)))
    write_inputs(tmp_path, recordings_of(request))
    stored = json.loads(json.dumps(request_to_json(request)))
    back = with_inputs(request_from_json(stored), tmp_path)
    assert back.edit is not None
    assert back.edit.segments == request.edit_segments
    assert np.array_equal(back.edit.song.samples, song.samples)
