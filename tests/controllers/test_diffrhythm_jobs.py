"""The published DiffRhythm job dialect, over a real socket."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.controllers.diffrhythm_bodies import EditSong
from server.models.diffrhythm.lyrics import with_times
from tests.audio.test_recordings import file_of, noise
from tests.controllers.test_bad_bodies import BAD_BODIES, JSON
from tests.fakes import SAMPLE_RATE, tone
from tests.live import Json, Live, live, until

LRC = "[00:10.00]Paper lanterns on the water\n[00:15.5]Every one a quiet name\n"
PLAIN = "[verse]\nPaper lanterns on the water\nEvery one a quiet name\n"
STYLE, SONG = file_of(noise(31), SAMPLE_RATE), file_of(noise(95), SAMPLE_RATE)
FOLK = {"ref_prompt": "folk"}
#: A field in a form: its text, or a file.
Part = str | bytes


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(diffrhythm_model="singing", max_batch=4) as running:
        yield running


def send(server: Live, route: str, **fields: Part) -> httpx.Response:
    """Each field as a part of its own: a text, or a file."""
    parts: list[tuple[str, Any]] = []
    for name, value in fields.items():
        file = (f"{name}.lrc", value) if isinstance(value, bytes) else (None, value)
        parts.append((name, file))
    return httpx.post(server.url + route, files=parts, timeout=60)


def generate(server: Live, **fields: Part) -> httpx.Response:
    return send(server, "/api/generate", **{"lyrics": LRC.encode(), **fields})


def edit(server: Live, **fields: Part) -> httpx.Response:
    known: dict[str, Part] = {"ref_song": SONG, "edit_segments": "[[-1, 25], [50.0, -1]]", **FOLK}
    return send(server, "/api/edit", **{"lyrics": LRC.encode(), **known, **fields})


def queued(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["task_id"])


def moment(text: str) -> datetime:
    """Python before 3.11 does not read the Z that ends one in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def status(server: Live, task_id: str) -> Json:
    found: Json = httpx.get(f"{server.url}/api/status/{task_id}").json()
    return found


def ended(server: Live, task_id: str) -> Json:
    until(lambda: status(server, task_id)["status"] not in ("queued", "processing"), 30)
    return status(server, task_id)


def download(server: Live, task_id: str, **query: object) -> httpx.Response:
    return httpx.get(f"{server.url}/api/download/{task_id}", params=query, timeout=30)  # type: ignore[arg-type]


def sound_of(server: Live, task_id: str, **query: object) -> np.ndarray:
    """[channels, n]"""
    response = download(server, task_id, **query)
    assert response.status_code == 200, response.text
    return soundfile.read(io.BytesIO(response.content))[0].T


def leveled(samples: np.ndarray) -> np.ndarray:
    """At full scale: songs come at full level, whatever the model made."""
    return samples / np.abs(samples).max()


def detail(response: httpx.Response, expected_status: int = 400) -> str:
    assert response.status_code == expected_status, response.text
    assert set(response.json()) == {"detail"}
    return str(response.json()["detail"])


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


BAD_FIELDS: list[tuple[Json, str]] = [
    ({"lyrics": b"\xff\xfe\x00", **FOLK}, "lyrics must be a text in UTF-8; got a file of 3 bytes"),
    ({"lyrics": b"[ar:x]", **FOLK}, "lyrics must have a line to sing"),
    ({"lyrics": b"[00:61.00]a", **FOLK}, "lyrics line 1 has a time of 60 or more seconds"),
    ({"lyrics": b"\n[00:nan]a", **FOLK}, "lyrics line 2 must begin with a time"),
    ({"lyrics": b"[00:02]a\n[00:01]b", **FOLK}, "lyrics line 2 begins at [00:01.00], before"),
    ({"lyrics": b"[01:36]a", **FOLK}, "lyrics line 1 begins at [01:36.00], but the song has 95"),
    ({}, "ref_prompt must say the style, or send a recording of it"),
    ({"ref_prompt": " \n"}, "ref_prompt must say the style"),
    ({"ref_prompt": "folk", "ref_audio": STYLE}, "ref_audio cannot be sent with a style in words"),
    ({"ref_prompt": "x" * 501}, "ref_prompt must be a text of at most 500 characters"),
    ({"ref_audio": b"no sound"}, "ref_audio cannot be read as a sound file"),
    ({"ref_audio": b""}, "ref_audio cannot be read as a sound file"),
    ({"ref_audio": file_of(noise(9.9))}, "ref_audio must have at least 10 s of sound; has 9.9 s"),
    ({"ref_audio": file_of(noise(11) * 0)}, "ref_audio is silent"),
    ({"audio_length": "94", **FOLK}, "audio_length must be an integer from 95 to 285; got '94'"),
    ({"audio_length": "286", **FOLK}, "audio_length must be an integer from 95 to 285"),
    ({"audio_length": "95.5", **FOLK}, "audio_length must be an integer from 95 to 285"),
    ({"audio_length": "abc", **FOLK}, "audio_length must be an integer from 95 to 285; got 'abc'"),
    ({"batch_infer_num": "0", **FOLK}, "batch_infer_num must be an integer from 1 to 8; got '0'"),
    ({"batch_infer_num": "-1", **FOLK}, "batch_infer_num must be an integer from 1 to 8"),
    ({"batch_infer_num": "9", **FOLK}, "batch_infer_num must be an integer from 1 to 8"),
    ({"chunked": "perhaps", **FOLK}, "chunked must be true or false; got 'perhaps'"),
    ({"seed": "-1", **FOLK}, "seed must be an integer from 0 to 4294967295"),
    ({"speed": "2", **FOLK}, "'speed' is not a field of this request"),
]


@pytest.mark.parametrize(("fields", "words"), BAD_FIELDS, ids=[w[:50] for _, w in BAD_FIELDS])
def test_a_bad_field(server: Live, fields: dict[str, Part], words: str) -> None:
    assert words in detail(generate(server, **fields))


BAD_EDITS: list[tuple[Json, str]] = [
    ({"edit_segments": "[[0, 1]"}, "edit_segments must be a list of pairs of seconds"),
    ({"edit_segments": "[1, 2]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[1, 2, 3]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": '[["1", 2]]'}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[NaN, 2]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[[1, Infinity]]"}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[" * 100_000}, "edit_segments must be a list of pairs"),
    ({"edit_segments": ""}, "edit_segments must be a list of pairs"),
    ({"edit_segments": "[]"}, "edit_segments must hold at least one segment"),
    ({"edit_segments": "[[20, 10]]"}, "edit_segments must be pairs of seconds, the start before"),
    ({"edit_segments": "[[10, 10]]"}, "edit_segments must be pairs of seconds, the start before"),
    ({"edit_segments": "[[-2, 10]]"}, "got [-2.0, 10.0]"),
    ({"edit_segments": "[[1, -0.5]]"}, "got [1.0, -0.5]"),
    ({"edit_segments": "[[90, 96]]"}, "from 0 to 95, the length of the song"),
    ({"edit_segments": "[[1, 5], [4, 6]]"}, "edit_segments must not overlap"),
    ({"ref_song": file_of(noise(94.5))}, "ref_song must be at least as long as what is made of"),
    ({"ref_song": file_of(noise(5))}, "95 s; it has 5 s"),
    ({"ref_song": file_of(noise(95) * 0)}, "ref_song is silent"),
    ({"ref_song": b"no sound"}, "ref_song cannot be read as a sound file"),
    ({"audio_length": "200"}, "ref_song must be at least as long as what is made of it, 200 s"),
]


@pytest.mark.parametrize(("fields", "words"), BAD_EDITS, ids=[w[:50] for _, w in BAD_EDITS])
def test_a_bad_edit(server: Live, fields: dict[str, Part], words: str) -> None:
    assert words in detail(edit(server, **fields))


def test_what_is_required(server: Live) -> None:
    for name in ("lyrics", "ref_song", "edit_segments"):
        parts: dict[str, Any] = {"lyrics": LRC, "ref_song": SONG, "edit_segments": "[[0, 1]]"}
        del parts[name]
        assert f"{name} is required" in detail(send(server, "/api/edit", **parts, **FOLK))


def test_nothing_is_queued_for_what_is_refused(server: Live) -> None:
    def newest() -> object:
        return httpx.get(f"{server.url}/api/v1/jobs?limit=1").json()["jobs"][0]["id"]

    queued(generate(server, **FOLK))
    before = newest()
    detail(generate(server, lyrics=b"[00:61.00]a", **FOLK))
    detail(edit(server, edit_segments="[[20, 10]]"))
    assert newest() == before


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:30]))
def test_a_bad_body(server: Live, body: bytes) -> None:
    assert detail(httpx.post(server.url + "/api/generate", content=body))


def test_too_large_a_body() -> None:
    with live(diffrhythm_model="singing", max_body_bytes=100_000) as server:
        assert "100000" in detail(generate(server, ref_audio=STYLE), 413)


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


FIELDS = st.sampled_from([*EditSong.model_fields, "other"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON, st.sampled_from(["generate", "edit"]))
def test_nothing_at_all_gives_a_500(server: Live, body: object, route: str) -> None:
    content = json.dumps(body).encode()
    response = httpx.post(f"{server.url}/api/{route}", content=content, timeout=30)
    assert response.status_code in (200, 400), response.text
