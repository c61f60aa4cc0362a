"""End to end over HTTP, with a tiny checkpoint under a published name."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

from tests.live import ROUTE, Live, live, open_stream, parse, read_until, until
from tests.models.musicgen.fake_hub import hub
from tests.models.tiny_musicgen import FIXTURES, STEREO_NAME, TINY_NAME, tiny_checkpoints
from tests.process import Process, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    models_dir = tiny_checkpoints(tmp_path_factory.mktemp("models"))
    with live(music_model_name=TINY_NAME, models_dir=models_dir) as running:
        yield running


def test_the_streamed_sound_is_the_completed_one(server: Live) -> None:
    events = server.events(description="slow warm jazz", duration=3, seed=5, stream_audio=True)
    assert events[0]["event"] == "start"
    assert events[0]["model"] == TINY_NAME
    pieces = [base64.b64decode(e["audio"]) for e in events if e["event"] == "audio"]
    assert len(pieces) > 5
    pcm, rate = soundfile.read(
        io.BytesIO(base64.b64decode(events[-1]["audio"])), dtype="int16", always_2d=True
    )
    assert (pcm.shape, rate) == ((3 * 32_000, 1), 32_000)
    assert np.array_equal(np.frombuffer(b"".join(pieces), "<i2"), pcm[:, 0])
    again = server.events(description="slow warm jazz", duration=3, seed=5)
    assert again[-1]["audio"] == events[-1]["audio"]


def test_four_are_served_at_once_and_the_metrics_tell(server: Live) -> None:
    labels = f'{{model="{TINY_NAME}"}}'
    before = server.metric(f"continuo_tokens_total{labels}")
    streams = [
        open_stream(server.port, description=f"song {n}", duration=60, stream_audio=True)
        for n in range(4)
    ]
    for connection in streams:
        read_until(connection, b'"start"')
    assert server.post(description="a fifth", duration=1).status_code == 503
    until(lambda: server.metric(f"continuo_batch_size{labels}") == 4)
    assert server.metric(f"continuo_slots_used{labels}") == 4
    used = server.metric(f"continuo_request_memory_used_bytes{labels}")
    assert 0 < used <= server.metric(f"continuo_request_memory_bytes{labels}")
    for connection in streams:
        connection.close()
    until(lambda: server.metric(f"continuo_slots_used{labels}") == 0, 5)
    assert server.metric(f"continuo_request_memory_used_bytes{labels}") == 0
    assert server.metric(f"continuo_decode_steps_total{labels}") > 0
    assert server.metric(f"continuo_tokens_total{labels}") > before


def test_the_seed_is_drawn_and_reported_without_one(server: Live) -> None:
    first, second = (server.events(description="x", duration=1) for _ in range(2))
    assert first[0]["seed"] != second[0]["seed"]
    repeated = server.events(description="x", duration=1, seed=first[0]["seed"])
    assert repeated[-1]["audio"] == first[-1]["audio"]


def test_a_client_that_leaves_frees_the_slot_at_once(server: Live) -> None:
    engine = server.service.registry.entry(TINY_NAME).model._engine
    for word in (b'"start"', b'"progress"', b'"audio"'):
        connection = open_stream(server.port, description="x", duration=60, stream_audio=True)
        read_until(connection, word)
        until(lambda: engine.num_running == 1)  # admission is before the engine's next turn
        connection.close()
        until(lambda: server.num_running(TINY_NAME) == 0 and engine.num_running == 0, 2)
    assert server.events(description="x", duration=1)[-1]["event"] == "completed"


@pytest.mark.parametrize("description", ["", "🎸" * 10_000, "\x00\x07"], ids=ascii)
def test_any_description_is_music(server: Live, description: str) -> None:
    assert server.events(description=description, duration=1)[-1]["event"] == "completed"


def test_a_longer_description_is_a_bad_request(server: Live) -> None:
    for description in ("x" * 10_001, "🎸 x" * 2_500):
        answer = server.post(description=description, duration=1)
        assert answer.status_code == 400
        assert answer.json()["field"] == "description"


@pytest.mark.skipif(find_spec("audiocraft") is not None, reason="audiocraft is installed here")
def test_multiband_diffusion_without_its_package_says_what_to_install(server: Live) -> None:
    answer = server.post(description="x", duration=1, mbd=True)
    assert (answer.status_code, answer.json()["field"]) == (400, "mbd")
    assert "pip install --no-deps -r requirements/audiocraft.txt" in answer.json()["message"]
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    listed = next(model for model in models if model["name"] == TINY_NAME)
    assert listed["abilities"] == ["continuation"]


def test_a_path_is_no_model_of_a_request(server: Live) -> None:
    path = str(FIXTURES / "mono" / "huggingface")
    assert server.post(description="x", music_model_name=path).status_code == 400
    assert server.post(description="x", model=path).status_code == 400


def test_it_is_listed_with_its_licence(server: Live) -> None:
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    listed = next(model for model in models if model["name"] == TINY_NAME)
    assert listed["phase"] == "ready"
    assert listed["default"]
    assert listed["licence"]["weights"] == "CC-BY-NC 4.0"
    names = {control["name"] for control in listed["controls"]}
    assert names == {"cfg_coef", "temperature", "top_k", "top_p"}


def unavailable(server: Process) -> str:
    """What all routes say of the default model, once its load has failed."""
    deadline = time.monotonic() + 60
    while True:
        ready = httpx.get(server.url + "/ready")
        if ready.json()["status"] == "failed":
            break
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)
    assert ready.status_code == 503
    said = refusal(server, TINY_NAME)
    assert said in ready.json()["message"]
    return said


def refusal(server: Process, name: str) -> str:
    """Reason and remedy of a model that is listed as unavailable; its requests get them too."""
    models = httpx.get(server.url + "/api/v1/models").json()["models"]
    listed = next(model for model in models if model["name"] == name)
    assert not listed["available"]
    answer = httpx.post(server.url + ROUTE, json={"description": "x", "model": name})
    assert answer.status_code == 503
    said = f"{listed['reason']}. {listed['remedy']}"
    assert said in answer.json()["message"]
    return said


OTHER_NAME = "facebook/musicgen-stereo-large"
NETWORKS = [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]


@pytest.mark.parametrize("network", NETWORKS, ids=["offline", "unreachable"])
def test_without_weights_and_network_it_says_how_to_get_them(
    tmp_path: Path, network: dict[str, str]
) -> None:
    flags = ("--music_model_name", TINY_NAME)
    folders = {"HF_HOME": str(tmp_path / "hf"), "MODELS_DIR": str(tmp_path / "none")}
    with running(tmp_path, *flags, wait=False, **folders, **network) as server:
        server.wait_until_listening()
        said = unavailable(server)
        if "HF_HUB_OFFLINE" in network:  # nobody has asked for this one yet
            assert f"`hf download {OTHER_NAME}`" in refusal(server, OTHER_NAME)
    assert f"`hf download {TINY_NAME}`" in said
    assert "MODELS_DIR" in said
    assert str(tmp_path) not in said


def test_a_folder_on_the_command_line_is_served(tmp_path: Path) -> None:
    folder = FIXTURES / "stereo" / "huggingface"
    quiet = {"GOMP_SPINCOUNT": "1000"}  # as the Makefile sets it
    with running(tmp_path, "--music_model_name", str(folder), **quiet) as server:
        body = {"description": "x", "duration": 1}
        events = parse(httpx.post(server.url + ROUTE, json=body, timeout=60).content)
        assert (events[0]["model"], events[0]["channels"]) == ("huggingface", 2)
        assert events[-1]["event"] == "completed"
        assert str(folder) not in httpx.get(server.url + "/api/v1/models").text


def test_what_is_missing_is_downloaded_and_told(tmp_path: Path) -> None:
    """From a hub, into the cache; a second start needs no network."""
    flags = ("--music_model_name", TINY_NAME)
    folders = {"HF_HOME": str(tmp_path / "hf"), "MODELS_DIR": str(tmp_path / "none")}
    quiet = {"GOMP_SPINCOUNT": "1000"}
    with hub(TINY_NAME, FIXTURES / "mono" / "huggingface", pause_seconds=0.7) as address:
        network = {"HF_ENDPOINT": address}
        with running(tmp_path, *flags, wait=False, **folders, **network, **quiet) as server:
            server.wait_until_listening()
            told = activities(server)
    assert any(f"downloading {TINY_NAME}: " in activity for activity in told), told
    assert f"downloading {TINY_NAME}: 100 % of 2 MB" in server.log
    with running(tmp_path, *flags, **folders, **quiet, HF_HUB_OFFLINE="1") as server:
        body = {"description": "x", "duration": 1}
        events = parse(httpx.post(server.url + ROUTE, json=body, timeout=60).content)
        assert events[-1]["event"] == "completed"


def activities(server: Process) -> set[str]:
    """What /ready says until it is ready, and that the list of models says the same."""
    told: set[str] = set()
    deadline = time.monotonic() + 60
    while (ready := httpx.get(server.url + "/ready")).status_code != 200:
        assert ready.json()["status"] == "loading", ready.text
        told.add(ready.json()["message"])
        models = httpx.get(server.url + "/api/v1/models").json()["models"]
        listed = next(model for model in models if model["name"] == TINY_NAME)
        told.add(listed["activity"])
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)
    return told


def test_a_request_downloads_what_it_may_and_is_told(tmp_path: Path) -> None:
    folders = {"HF_HOME": str(tmp_path / "hf"), "MODELS_DIR": str(tmp_path / "none")}
    allowed = {"ALLOW_DOWNLOADS": "true", "ALLOWED_MODELS": TINY_NAME, "WAITING_PLACES": "1"}
    with hub(TINY_NAME, FIXTURES / "mono" / "huggingface", pause_seconds=0.7) as address:
        network = {"HF_ENDPOINT": address, "GOMP_SPINCOUNT": "1000"}
        with running(tmp_path, **folders, **allowed, **network) as server:
            refused = ask(server, model=STEREO_NAME)
            assert refused.status_code == 503
            assert f"`hf download {STEREO_NAME}`" in refused.json()["message"]
            events = parse(ask(server, model=TINY_NAME).content)
    told = {event["activity"] for event in events if event["event"] == "queued"}
    assert any(f"downloading {TINY_NAME}: " in activity for activity in told), told
    assert events[-1]["event"] == "completed"


def ask(server: Process, **body: object) -> httpx.Response:
    return httpx.post(
        server.url + ROUTE, json={"description": "x", "duration": 1, **body}, timeout=60
    )
