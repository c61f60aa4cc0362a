"""Several takes, and levels, over the wire."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from server.audio.waveform import to_pcm16
from tests.fakes import tone
from tests.live import Json, Live


def pcm(audio: str) -> np.ndarray:
    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(audio)), dtype="int16", always_2d=True)
    return samples


def expected(seed: int, seconds: int = 2) -> np.ndarray:
    return np.concatenate([to_pcm16(tone(seed, second)) for second in range(seconds)])


def test_completed_lists_every_take(server: Live) -> None:
    last = server.events(description="x", duration=2, seed=2**32 - 1, num_takes=3)[-1]
    assert last["seed"] == 2**32 - 1
    assert [take["seed"] for take in last["takes"]] == [2**32 - 1, 0, 1]
    assert last["audio"] == last["takes"][0]["audio"]
    for take in last["takes"]:
        assert np.array_equal(pcm(take["audio"]), expected(take["seed"]))


def test_one_take_is_not_sent_twice(server: Live) -> None:
    assert "takes" not in server.events(description="x", duration=1, num_takes=1)[-1]


def test_sound_streams_by_take(server: Live) -> None:
    events = server.events(description="x", duration=2, seed=4, num_takes=2, stream_audio=True)
    audio: list[Json] = [event for event in events if event["event"] == "audio"]
    assert sorted((each["take"], each["sequence"]) for each in audio) == [
        (0, 0), (0, 1), (1, 0), (1, 1),
    ]  # fmt: skip
    for take in (0, 1):
        sent = b"".join(base64.b64decode(e["audio"]) for e in audio if e["take"] == take)
        assert sent == expected(4 + take).tobytes()


def test_takes_have_stems_and_scores(server: Live) -> None:
    last = server.events(description="x", duration=1, num_takes=2, stems=True, format="midi")[-1]
    for take in last["takes"]:
        assert base64.b64decode(take["audio"]).startswith(b"MThd")
        assert set(take["stems"]) == {"low", "high"}
    assert last["stems"] == last["takes"][0]["stems"]


@pytest.mark.parametrize("num_takes", [0, 9, -1, 1.5, "2"])
def test_a_number_of_takes_that_is_not_allowed(server: Live, num_takes: object) -> None:
    response = server.post(description="x", num_takes=num_takes)
    assert response.status_code == 400
    assert response.json()["field"] == "num_takes"
    assert "an integer from 1 to 8" in response.json()["message"]


def test_normalize(server: Live) -> None:
    wanted = {"description": "x", "duration": 2, "seed": 3, "stems": True, "num_takes": 2}
    last = server.events(normalize="peak", **wanted)[-1]
    for take in last["takes"]:
        sound = pcm(take["audio"]).astype(float)
        assert abs(np.abs(sound).max() / 32767 - 10 ** (-1 / 20)) < 1e-4
        stems = sum(pcm(stem).astype(float) for stem in take["stems"].values())
        assert np.abs(stems - sound).max() <= 1.5
    soft = server.events(normalize="loudness", **wanted)[-1]
    assert np.abs(pcm(soft["audio"])).max() < np.abs(pcm(last["audio"])).max() / 2


def test_streamed_sound_cannot_be_normalized(server: Live) -> None:
    response = server.post(description="x", normalize="peak", stream_audio=True)
    assert response.status_code == 400
    assert response.json()["field"] == "normalize"
    assert "leave out stream_audio" in response.json()["message"]


def test_a_level_that_is_none(server: Live) -> None:
    message = server.post(description="x", normalize="rms").json()["message"]
    assert message == "normalize must be one of peak, loudness; got 'rms'"
