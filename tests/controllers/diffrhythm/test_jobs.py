"""The published DiffRhythm job dialect, over a real socket."""

from __future__ import annotations

import base64
import io

import httpx
import numpy as np
import pytest
import soundfile

from server.models.diffrhythm.lyrics import with_times
from tests.controllers.diffrhythm.calls import (
    FOLK,
    LRC,
    PLAIN,
    SONG,
    STYLE,
    detail,
    download,
    edit,
    ended,
    generate,
    leveled,
    moment,
    queued,
    sound_of,
    status,
)
from tests.fakes import SAMPLE_RATE, tone
from tests.live import Live, live, until


def test_a_song_from_start_to_download(server: Live) -> None:
    response = generate(server, audio_length="95", chunked="true", seed="7", **FOLK)
    task_id = queued(response)
    assert response.json() == {
        "task_id": task_id,
        "status": "queued",
        "message": "Music generation task queued successfully",
    }
    found = ended(server, task_id)
    created, completed = (found.pop(name) for name in ("created_at", "completed_at"))
    assert moment(created) < moment(completed)
    assert found == {
        "task_id": task_id,
        "status": "completed",
        "progress": 100.0,
        "message": "The song is ready",
        "output_path": f"{task_id}/output/take-0.wav",
        "error": None,
        "lyrics": LRC,
        "seed": 7,
        "warnings": [],
    }
    folder = server.app.state.stored_jobs._outputs._folder
    answer = download(server, task_id)
    assert answer.content == (folder / found["output_path"]).read_bytes()
    assert answer.headers["content-type"] == "audio/wav"
    assert f'filename="{task_id}-take-0.wav"' in answer.headers["content-disposition"]
    made = np.concatenate([tone(7, second) for second in range(95)], axis=1)
    heard = sound_of(server, task_id)
    assert np.abs(heard).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    assert np.allclose(leveled(heard), leveled(made), atol=1e-3)
    part = httpx.get(str(answer.url), headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, answer.content[100:200])


def test_a_style_in_sound_of_which_the_middle_is_heard(server: Live) -> None:
    task_id = queued(generate(server, ref_audio=STYLE))
    ended(server, task_id)
    given = soundfile.read(io.BytesIO(STYLE))[0].T
    start = (given.shape[1] - 10 * SAMPLE_RATE) // 2
    heard = sound_of(server, task_id)[0, :SAMPLE_RATE]
    assert np.allclose(leveled(heard), leveled(given[0, start : start + SAMPLE_RATE]), atol=1e-3)


def test_takes(server: Live) -> None:
    task_id = queued(generate(server, batch_infer_num="2", seed="5", **FOLK))
    ended(server, task_id)
    for take in (0, 1):
        first_second = sound_of(server, task_id, take=take)[:, :SAMPLE_RATE]
        assert np.allclose(leveled(first_second), leveled(tone(5 + take, 0)), atol=1e-3)
    for wrong in (2, -1, "x", "0.5"):
        assert "take" in detail(download(server, task_id, take=wrong))


def test_sound_that_is_not_decoded_in_pieces(server: Live) -> None:
    for chunked, num_pieces in (("true", 95), ("false", 1)):
        task_id = queued(edit(server, chunked=chunked))
        ended(server, task_id)
        events = httpx.get(f"{server.url}/api/v1/jobs/{task_id}/events").text
        assert events.count("event: audio") == num_pieces


def test_an_edit_keeps_what_is_not_in_its_segments(server: Live) -> None:
    response = edit(server, seed="3")
    task_id = queued(response)
    assert response.json()["message"] == "Music generation task queued successfully"
    assert ended(server, task_id)["status"] == "completed"
    made, given = sound_of(server, task_id), soundfile.read(io.BytesIO(SONG))[0].T
    for second, is_new in ((0, True), (24, True), (25, False), (49, False), (50, True), (94, True)):
        part = slice(second * SAMPLE_RATE, (second + 1) * SAMPLE_RATE)
        expected = tone(3, second) if is_new else given[:, part]
        assert np.allclose(made[:, part], expected, atol=1e-4)
    request = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()["request"]
    assert request["edit_segments"] == [[0, 25], [50, 95]]


def test_plain_lyrics_come_back_with_times_and_can_be_sent_again(server: Live) -> None:
    task_id = queued(generate(server, lyrics=PLAIN.encode(), **FOLK))
    lrc = status(server, task_id)["lyrics"]
    assert lrc == with_times(PLAIN, 95)
    assert lrc.count("[00:") == 2
    again = queued(generate(server, lyrics=lrc.encode(), **FOLK))
    assert status(server, again)["lyrics"] == lrc


@pytest.mark.parametrize("lyrics", [b"", b"[instrumental]", b"\xef\xbb\xbf"])
def test_an_instrumental(server: Live, lyrics: bytes) -> None:
    task_id = queued(generate(server, lyrics=lyrics, **FOLK))
    assert status(server, task_id)["lyrics"] == ""


def test_lyrics_as_a_text_or_with_a_byte_order_mark(server: Live) -> None:
    for lyrics in (LRC, b"\xef\xbb\xbf" + LRC.encode()):
        task_id = queued(generate(server, lyrics=lyrics, **FOLK))
        assert status(server, task_id)["lyrics"] == LRC


def test_in_json_too(server: Live) -> None:
    body = {"lyrics": LRC, "ref_audio": base64.b64encode(STYLE).decode(), "audio_length": 96.0}
    task_id = queued(httpx.post(f"{server.url}/api/generate", json=body))
    body |= {"ref_song": base64.b64encode(SONG).decode(), "edit_segments": [[0, 1.5]]}
    body["audio_length"] = 95
    queued(httpx.post(f"{server.url}/api/edit", json=body))
    assert ended(server, task_id)["status"] == "completed"


def test_while_it_is_made_and_when_it_is_deleted(server: Live) -> None:
    task_id = queued(generate(server, ref_prompt="step 0.1"))
    until(lambda: status(server, task_id)["progress"] > 0)
    found = status(server, task_id)
    assert found["status"] == "processing"
    assert (found["output_path"], found["completed_at"], found["error"]) == (None, None, None)
    assert "not ready" in detail(download(server, task_id))
    answer = httpx.delete(f"{server.url}/api/tasks/{task_id}")
    assert answer.json() == {"message": f"Task {task_id} deleted successfully"}
    until(lambda: server.num_running("singing") == 0)
    for response in (
        httpx.get(f"{server.url}/api/status/{task_id}"),
        download(server, task_id),
        httpx.delete(f"{server.url}/api/tasks/{task_id}"),
    ):
        assert task_id in detail(response, 404)


def test_a_queued_and_a_cancelled_one() -> None:
    with live(diffrhythm_model="singing") as narrow:
        running = queued(generate(narrow, ref_prompt="step 0.1"))
        until(lambda: status(narrow, running)["status"] == "processing")
        waiting = queued(generate(narrow, **FOLK))
        found = status(narrow, waiting)
        assert (found["status"], found["message"]) == ("queued", "The song waits for its turn")
        httpx.post(f"{narrow.url}/api/v1/jobs/{waiting}/cancel")
        found = status(narrow, waiting)
        assert (found["status"], found["error"]) == ("failed", "cancelled by a caller")
        assert found["completed_at"]
        assert detail(download(narrow, waiting), 410)
        httpx.delete(f"{narrow.url}/api/tasks/{running}")


def test_files_are_kept_for_a_day(server: Live) -> None:
    task_id = queued(generate(server, **FOLK))
    ended(server, task_id)
    job = httpx.get(f"{server.url}/api/v1/jobs/{task_id}").json()
    kept = moment(job["expires_at"]) - moment(job["ended_at"])
    assert kept.total_seconds() == pytest.approx(24 * 3600)
    assert job["dialect"] == "diffrhythm"


def test_a_full_queue_is_a_429_that_says_when() -> None:
    with live(diffrhythm_model="singing", queue_places=1) as server:
        queued(generate(server, ref_prompt="step 0.1"))
        until(lambda: server.num_running("singing") == 1)
        until(lambda: generate(server, **FOLK).status_code == 429)
        response = generate(server, **FOLK)
        assert int(response.headers["retry-after"]) >= 1
        assert "wait for singing" in detail(response, 429)


def test_health(server: Live) -> None:
    found = httpx.get(f"{server.url}/api/health").json()
    assert set(found) == {"status", "message", "version"}
    assert (found["status"], found["message"]) == ("healthy", "Songs are made by singing")


MISSING = [
    ("missing", "Run: fetch-weights NAME"),
    ("no-such", "Set DIFFRHYTHM_MODEL to one of /api/v1/models that sings"),
]


@pytest.mark.parametrize(("model", "remedy"), MISSING)
def test_without_its_model_the_dialect_says_what_to_do(model: str, remedy: str) -> None:
    with live(diffrhythm_model=model) as server:
        assert remedy in detail(generate(server, **FOLK), 503)
        assert remedy in httpx.get(f"{server.url}/api/health").json()["message"]
        assert server.post(description="x", duration=1).status_code == 200


def test_a_model_that_does_not_sing_is_no_500() -> None:
    with live(diffrhythm_model="ticking") as server:
        said = detail(generate(server, **FOLK))
        assert "lyrics is asked for, but ticking has no lyrics" in said
        assert "choose a model that has:" in said
        assert "singing" in said
