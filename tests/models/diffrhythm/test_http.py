"""Songs over HTTP, from the tiny checkpoint."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

for package in ("torch", "phonemizer", "jieba", "huggingface_hub"):
    pytest.importorskip(package, reason="needs the extras musicgen and phonemes")

from tests.live import FAKES, Json, Live, live, until
from tests.models.tiny_diffrhythm import TARGET, tiny_options

RATE = 44_100
LYRICS = "[00:02.00]Paper lanterns on the water\n[00:07.00]我说hello你说再见\n"
WISH = {"model": "diffrhythm", "description": "slow rock", "lyrics": LYRICS, "seed": 3}


@pytest.fixture(scope="module")
def server(tiny_songs: Path) -> Iterator[Live]:
    options = tiny_options(tiny_songs)
    with live(
        extra_models=(*FAKES, f"diffrhythm={TARGET}"),
        models_dir=options.models_dir,
        diffrhythm_home=options.diffrhythm_home,
        waiting_places=4,
    ) as running:
        yield running


def read(wav: bytes) -> np.ndarray:
    """[2, n]"""
    samples, rate = soundfile.read(io.BytesIO(wav))
    assert rate == RATE
    return np.asarray(samples.T)


def recording(seconds: float) -> bytes:
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, (int(seconds * RATE), 2))
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def ended(server: Live, job_id: str) -> Json:
    url = f"{server.url}/api/v1/jobs/{job_id}"
    until(lambda: httpx.get(url).json()["state"] not in ("queued", "running"), 60)
    found: Json = httpx.get(url).json()
    return found


def test_a_song_streams_and_is_whole_in_the_end(server: Live) -> None:
    events = server.events(**WISH, stream_audio=True, duration=95)
    kinds = [event["event"] for event in events]
    start = next(event for event in events if event["event"] == "start")
    assert start["interpretation"]["lyrics"] == LYRICS
    assert kinds.count("audio") == 21
    assert kinds[-1] == "completed"
    assert read(base64.b64decode(events[-1]["audio"])).shape == (2, 95 * RATE)


def test_a_song_as_a_job_with_takes(server: Live) -> None:
    response = httpx.post(f"{server.url}/api/v1/jobs", json={**WISH, "num_takes": 2}, timeout=30)
    assert response.status_code == 202, response.text
    job = ended(server, response.json()["id"])
    assert job["state"] == "completed"
    takes = [
        read(httpx.get(f"{server.url}/api/v1/jobs/{job['id']}/audio", params={"take": n}).content)
        for n in (0, 1)
    ]
    assert all(take.shape == (2, 95 * RATE) for take in takes)
    assert not np.array_equal(*takes)


def test_an_edit_over_the_published_interface(server: Live) -> None:
    song = recording(95)
    files = {
        "lyrics": ("song.lrc", LYRICS),
        "ref_song": ("song.wav", song),
        "ref_prompt": (None, "folk"),
        "edit_segments": (None, "[[-1, 5.0], [60.0, -1]]"),
    }
    response = httpx.post(f"{server.url}/api/edit", files=files, timeout=60)
    assert response.status_code == 200, response.text
    task_id = response.json()["task_id"]
    assert ended(server, task_id)["state"] == "completed"
    made = read(httpx.get(f"{server.url}/api/download/{task_id}", timeout=60).content)
    kept = slice(5 * RATE, 60 * RATE)
    assert made.shape == (2, 95 * RATE)
    # written in 16 bits twice, by two rules
    assert np.abs(made[:, kept] - read(song)[:, kept]).max() < 2 / 32768
    assert not np.allclose(made[:, : 4 * RATE], read(song)[:, : 4 * RATE], atol=0.01)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lyrics": "[00:01.00]привет"}, "lyrics"),
        ({"duration": 94}, "duration"),
        ({"duration": 286}, "duration"),
        ({"description": "x" * 501}, "description"),
        ({"description": " "}, "description"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_400(
    server: Live, changes: dict[str, object], field: str
) -> None:
    response = server.post(**{**WISH, **changes})
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field


def test_without_its_pieces_other_models_work_and_songs_say_what_to_do() -> None:
    with live() as bare:
        found = httpx.get(f"{bare.url}/api/v1/models").json()["models"]
        song_model = next(model for model in found if model["name"] == "diffrhythm")
        assert not song_model["available"]
        assert "git submodule update --init vendor/DiffRhythm" in song_model["remedy"]
        assert "non-commercial" in song_model["licence"]["weights"]
        refused = bare.post(**WISH)
        assert refused.status_code == 503
        assert "git submodule update --init vendor/DiffRhythm" in refused.json()["message"]
        assert bare.post(description="x", duration=1).status_code == 200
