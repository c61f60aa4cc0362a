"""Sound that comes with a request: in a form, or as base64 in JSON."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import soundfile

from tests.audio.test_recordings import UNUSABLE, file_of, noise
from tests.live import ROUTE, Live, live, parse

MELODY, OPENING = file_of(noise(1, 1)), file_of(noise(2, 1)[:, ::-1])


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    with live(waiting_places=1) as running:
        running.post(description="x", duration=1, model="hearing")  # waits until it is loaded
        yield running


def in_base64(file: bytes) -> str:
    return base64.b64encode(file).decode()


def sound_of(stream: bytes) -> np.ndarray:
    """[channels, n]: the melody on the left and the continuation on the right, as they came in."""
    audio = base64.b64decode(parse(stream)[-1]["audio"])
    return soundfile.read(io.BytesIO(audio))[0].T


def given(file: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(file))[0]


def test_files_in_a_form(server: Live) -> None:
    fields = {"description": "é 🎹", "duration": "1", "seed": "3", "model": "hearing"}
    files = {"melody": ("a.wav", MELODY), "continue_audio": ("b.wav", OPENING, "audio/wav")}
    response = httpx.post(server.url + ROUTE, data=fields, files=files)
    assert response.status_code == 200, response.text
    left, right = sound_of(response.content)
    assert np.allclose(left, given(MELODY), atol=1e-4)
    assert np.allclose(right, given(OPENING)[: len(right)], atol=1e-4)
    assert parse(response.content)[-1]["seed"] == 3


def test_files_in_json(server: Live) -> None:
    body = {"description": "x", "duration": 1, "model": "hearing"}
    response = server.post(melody=in_base64(MELODY), continue_audio=in_base64(OPENING), **body)
    left, right = sound_of(response.content)
    assert np.allclose(left, given(MELODY), atol=1e-4)
    assert np.allclose(right, given(OPENING)[: len(right)], atol=1e-4)


def test_every_field_can_stand_in_a_form(server: Live) -> None:
    fields = {
        "description": "x", "duration": "1", "mbd": "false", "top_k": "10", "top_p": "0.5",
        "temperature": "1e0", "cfg_coef": "2", "seed": "4294967295", "stream_audio": "true",
        "format": "flac", "num_takes": "2", "stems": "true", "bpm": "100",
    }  # fmt: skip
    response = httpx.post(
        server.url + ROUTE, files={name: (None, value) for name, value in fields.items()}
    )
    assert response.status_code == 200, response.text
    last = parse(response.content)[-1]
    assert (last["format"], last["seed"], len(last["takes"])) == ("flac", 2**32 - 1, 2)


BAD_FORMS = [
    ({"duration": "ten"}, {}, "duration", "an integer; got 'ten'"),
    ({"duration": ""}, {}, "duration", "an integer; got ''"),
    ({"top_p": "nan"}, {}, "top_p", "a number from 0 to 1"),
    ({"stems": "perhaps"}, {}, "stems", "true or false"),
    ({"melody": "not base64!"}, {}, "melody", "a sound file, in JSON as base64"),
    ({}, {"duration": b"12"}, None, None),
    ({}, {"seed": b"\xff\x00"}, "seed", "got a file of 2 bytes"),
    ({}, {"melodie": MELODY}, "'melodie'", "did you mean melody?"),
    ({}, {"melody": b""}, "melody", "cannot be read as a sound file"),
]


@pytest.mark.parametrize(("fields", "files", "field", "words"), BAD_FORMS)
def test_a_bad_form(server: Live, fields: object, files: object, field: str, words: str) -> None:
    parts = {name: (None, value) for name, value in {"description": "x", **fields}.items()}  # type: ignore[dict-item]
    parts |= {name: ("file", content) for name, content in files.items()}  # type: ignore[attr-defined]
    response = httpx.post(server.url + ROUTE, files=parts)  # type: ignore[arg-type]
    if field is None:
        assert response.status_code == 200
        return
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field
    assert words in response.json()["message"]


def test_a_field_that_stands_twice(server: Live) -> None:
    parts = [("description", (None, "x")), ("melody", ("a", MELODY)), ("melody", ("b", MELODY))]
    response = httpx.post(server.url + ROUTE, files=parts)  # type: ignore[arg-type]
    assert response.json()["message"] == "melody stands in the form more than once"


FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name="description"\r\n\r\nx\r\n'
BROKEN_FORMS = [
    (b"", "multipart/form-data; boundary=b"),
    (FORM_HEAD, "multipart/form-data; boundary=b"),
    (FORM_HEAD + b'--b\r\nContent-Disposition: form-data; name="melody"; filename="a"\r\n\r\nRIFF',
     "multipart/form-data; boundary=b"),
    (FORM_HEAD + b"--b--\r\n", "multipart/form-data"),
    (FORM_HEAD + b"--b--\r\n", "multipart/form-data; boundary=other"),
    (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
     "multipart/form-data; boundary=b"),
    (b'--b\r\nContent-Disposition: form-data; name="description"\r\n\r\n' + b"x" * 2**21
     + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"),
    (b'{"description": "x"}', "multipart/form-data; boundary=b"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type"), BROKEN_FORMS)
def test_a_broken_form(server: Live, body: bytes, content_type: str) -> None:
    headers = {"content-type": content_type}
    response = httpx.post(server.url + ROUTE, content=body, headers=headers)
    assert response.status_code == 400, response.text
    assert response.json()["error"] == "malformed_body"
    assert response.json()["message"].startswith("the form ")


@pytest.mark.parametrize("field", ["melody", "continue_audio"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_usable_sound(server: Live, name: str, field: str) -> None:
    file, why = UNUSABLE[name]
    response = server.post(description="x", model="hearing", **{field: in_base64(file)})
    assert response.status_code == 400, response.text
    assert response.json()["field"] == field
    assert why in response.json()["message"]


@pytest.mark.parametrize("text", ["a", "é", "====", "data:audio/wav;base64,UklG"])
def test_what_is_no_base64(server: Live, text: str) -> None:
    response = server.post(description="x", melody=text)
    assert response.status_code == 400
    assert "a sound file, in JSON as base64" in response.json()["message"]


@pytest.mark.parametrize(
    ("field", "ability"), [("melody", "melody"), ("continue_audio", "continuation")]
)
def test_a_model_without_the_ability(server: Live, field: str, ability: str) -> None:
    response = server.post(description="x", **{field: in_base64(MELODY)})
    assert response.status_code == 400
    error = response.json()
    assert (error["error"], error["field"]) == ("unsupported", field)
    assert f"ticking has no {ability}" in error["message"]
    assert "choose a model that has: " in error["message"]
    assert "hearing" in error["message"]


def test_a_form_that_is_too_long_is_not_read_to_its_end(tmp_path, monkeypatch) -> None:
    """Nor is anything of it left on disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with live(max_body_bytes=3 * 2**20) as server:
        files = {"description": (None, "x"), "melody": ("a.wav", bytes(8 * 2**20))}
        response = httpx.post(server.url + ROUTE, files=files)  # type: ignore[arg-type]
        assert response.status_code == 413
        assert response.json()["error"] == "body_too_large"
    assert not os.listdir(tmp_path)
