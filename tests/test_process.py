"""Start, drain and stop of the real process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from server import __version__
from tests.live import ROUTE, open_stream, parse, read_until
from tests.postgres import Postgres
from tests.process import environment, running


def slow_song(port: int, num_steps: int) -> tuple[threading.Thread, list[bytes]]:
    """A stream under way, read to its end on a thread."""
    connection = open_stream(port, description="step 0.25", duration=num_steps)
    received = [read_until(connection, b'"start"')]

    def read() -> None:
        while piece := connection.recv(65536):
            received.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    return reader, received


def test_a_stream_under_way_finishes_and_new_work_gets_503(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        reader, received = slow_song(server.port, num_steps=6)
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        ready = httpx.get(server.url + "/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        refused = httpx.post(server.url + ROUTE, json={"description": "too late"})
        assert refused.status_code == 503
        assert refused.json()["error"] == "draining"
        assert httpx.get(server.url + "/health").status_code == 200
        reader.join(10)
        assert b'"event":"completed"' in b"".join(received)
        assert server.exit_code() == 0
        assert "Traceback" not in server.log


def test_after_the_deadline_a_stream_gets_an_error_event(tmp_path: Path) -> None:
    with running(tmp_path, DRAIN_SECONDS="0.3") as server:
        reader, received = slow_song(server.port, num_steps=60)
        server.signal(signal.SIGINT)
        reader.join(10)
        tail = b"".join(received)
        assert b'"event":"error"' in tail
        assert b"the server is stopping" in tail
        assert server.exit_code() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_of_either_kind_exits_at_once(
    tmp_path: Path, second: signal.Signals
) -> None:
    with running(tmp_path) as server:
        reader, _ = slow_song(server.port, num_steps=60)
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        begun = time.monotonic()
        server.signal(second)
        assert server.exit_code() == 128 + second
        assert time.monotonic() - begun < 1
        reader.join(5)


def test_an_idle_server_stops_within_a_second_or_so(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_seconds=3) == 0


def test_a_model_that_hangs_ends_the_process_with_70(tmp_path: Path) -> None:
    with running(tmp_path, DEFAULT_MODEL="hanging", STEP_TIMEOUT_SECONDS="1") as server:
        response = httpx.post(server.url + ROUTE, json={"description": "x"}, timeout=20)
        events = parse(response.content)
        assert events[-1]["event"] == "error"
        assert "made no step for 1 s" in events[-1]["message"]
        assert server.exit_code() == 70


def refused_start(tmp_path: Path, *flags: str, **settings: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "server", *flags]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(**settings), capture_output=True, timeout=30
    )
    return done.returncode, done.stderr.decode()


WRONG = [
    ({"API_PORT": "1", "PORT": "2"}, "API_PORT='1' and PORT='2' are two names of one setting"),
    ({"API_HOST": "a", "HOST": "b"}, "API_HOST='a' and HOST='b'"),
    ({"CORS_ORIGINS": "http://a", "ALLOWED_ORIGINS": "http://b"}, "ALLOWED_ORIGINS='http://b'"),
    ({"PORT": "abc"}, "PORT='abc' is wrong"),
    ({"PORT": "70000"}, "PORT='70000' is wrong"),
    ({"MAX_BATCH": "0"}, "MAX_BATCH='0' is wrong"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT='xml' is wrong"),
    ({"DRAIN_SECONDS": "nan"}, "DRAIN_SECONDS='nan' is wrong"),
    ({"DEFAULT_MODEL": "no-such"}, "DEFAULT_MODEL (--music_model_name): 'no-such' is not served"),
    ({"EXTRA_MODELS": "x=no.such:Model"}, "EXTRA_MODELS: No module named 'no'"),
    ({"EXTRA_MODELS": "x=tests.fakes:Nope"}, "has no attribute 'Nope'"),
    ({"EXTRA_MODELS": "what"}, "EXTRA_MODELS='what' is wrong: must be name=module:Class"),
    ({"UVICORN_CONFIG": "missing.json"}, "UVICORN_CONFIG"),
    ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is wrong: must be such as sqlite:///jobs.sqlite"),
    ({"DATABASE_URL": "postgresql://a:hush@127.0.0.1:1/b"}, "postgresql+asyncpg://a:***@127.0.0.1"),
    ({"OUTPUT_DIR": "/proc/none"}, "OUTPUT_DIR=/proc/none cannot be used"),
    ({"JOB_RETENTION_HOURS": "0"}, "JOB_RETENTION_HOURS='0' is wrong"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG)
def test_a_wrong_setting_stops_the_start_with_one_line(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    code, said = refused_start(tmp_path, **settings)
    assert code == 2
    assert words in said
    assert said.count("\n") == 1


def test_a_wrong_uvicorn_option_stops_the_start(tmp_path: Path) -> None:
    for text, words in [("{", "not JSON"), ('{"workers": 4}', "workers"), ('{"zzz": 1}', "zzz")]:
        (tmp_path / "uvicorn_config.json").write_text(text)
        code, said = refused_start(tmp_path)
        assert code == 2
        assert words in said
        assert said.count("\n") == 1


def test_a_port_in_use_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused_start(tmp_path, "--port", str(port))
    assert code == 2
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert f"port {port}" in last
    assert "--port" in last


def test_uvicorn_config_is_really_used(tmp_path: Path) -> None:
    options = {"root_path": "/music", "headers": [["X-Served-By", "us"]]}
    (tmp_path / "uvicorn_config.json").write_text(json.dumps(options))
    with running(tmp_path) as server:
        assert httpx.get(server.url + "/health").headers["x-served-by"] == "us"
        description = httpx.get(server.url + "/openapi.json").json()
        assert description["servers"] == [{"url": "/music"}]


def test_a_unix_socket_by_uvicorn_config(tmp_path: Path) -> None:
    address = tmp_path / "continuo.sock"
    (tmp_path / "uvicorn_config.json").write_text(json.dumps({"uds": str(address)}))
    with running(tmp_path, wait=False) as server:
        deadline = time.monotonic() + 20
        while f"listens on socket {address}" not in server.log:
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
        client = httpx.Client(transport=httpx.HTTPTransport(uds=str(address)))
        assert client.get("http://continuo/health").status_code == 200


def test_flags_win_over_the_environment_and_that_over_dot_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DEFAULT_MODEL=no-such\nLOG_LEVEL=nonsense\nMAX_BATCH=3\n")
    flags = ("--music_model_name", "weighted")
    with running(tmp_path, *flags, DEFAULT_MODEL="ticking", LOG_LEVEL="debug") as server:
        assert httpx.get(server.url + "/ready").json()["model"] == "weighted"
        models = httpx.get(server.url + "/api/v1/models").json()["models"]
        assert {model["name"]: model["slots"] for model in models}["ticking"] == 3


def test_the_announcement_names_the_address_the_model_and_the_way_to_another(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        assert f"listens on http://127.0.0.1:{server.port}" in server.log
        assert "It serves model ticking" in server.log
        assert "make run MODEL=NAME" in server.log


def test_every_line_of_a_request_carries_its_id(tmp_path: Path) -> None:
    """In the terminal and in the file, from the event loop and from the model's thread."""
    with running(tmp_path, LOG_FORMAT="json") as server:
        headers = {"X-Request-Id": "mine-1"}
        body = {"description": "log"}
        answer = httpx.post(server.url + ROUTE, json=body, headers=headers)
        assert answer.headers["x-request-id"] == "mine-1"
        time.sleep(0.1)
        files = list((tmp_path / "log").glob("*.log"))
        assert len(files) == 1
        for text in (server.log, files[0].read_text()):
            lines = [json.loads(line) for line in text.splitlines()]
            mine = [line for line in lines if line["request_id"] == "mine-1"]
            assert {"time", "level", "process", "thread", "message"} <= set(mine[0])
            assert {line["thread"] for line in mine} == {"MainThread", "ticking_0"}
            assert any("from the model's thread" in line["message"] for line in mine)
            assert any("Uvicorn running" in line["message"] for line in lines)


def test_an_unwritable_log_folder_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file, not a folder")
    with running(tmp_path) as server:
        assert "No log files" in server.log


def test_help_lists_every_setting_and_version_prints_it() -> None:
    command = [sys.executable, "-m", "server"]
    said = subprocess.run([*command, "--help"], capture_output=True, env=environment()).stdout
    for name in ("--host", "--port", "--music_model_name", "API_HOST or HOST", "MAX_BATCH"):
        assert name in said.decode()
    version = subprocess.run([*command, "--version"], capture_output=True, env=environment())
    assert version.stdout.decode().strip() == __version__


def test_debug_reloads_on_a_change_and_tells_more(tmp_path: Path) -> None:
    (tmp_path / "seen.py").write_text("x = 1")
    with running(tmp_path, DEBUG="1") as server:
        body = {"description": "explode", "duration": 3}
        events = parse(httpx.post(server.url + ROUTE, json=body).content)
        assert "RuntimeError: the prompt said so" in events[-1]["message"]
        (tmp_path / "seen.py").write_text("x = 2")
        deadline = time.monotonic() + 20
        while server.log.count("It serves model ticking") < 2:
            assert time.monotonic() < deadline, server.log
            time.sleep(0.1)
        server.signal(signal.SIGTERM)
        assert server.exit_code() in (0, -signal.SIGTERM)


def test_a_second_server_on_the_same_jobs_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path):
        code, said = refused_start(tmp_path, "--music_model_name", "ticking", "--port", "0")
    assert code == 2
    last = said.splitlines()[-1]
    assert "OUTPUT_DIR=output cannot be used: another server uses it" in last
    assert "Traceback" not in said


def test_two_servers_share_no_database_even_with_folders_of_their_own(
    tmp_path: Path, postgresql: Postgres
) -> None:
    for url in (f"sqlite:///{tmp_path / 'shared.sqlite'}", postgresql.database()):
        with running(tmp_path, DATABASE_URL=url):
            settings = {"DATABASE_URL": url, "OUTPUT_DIR": "another"}
            code, said = refused_start(tmp_path, "--music_model_name", "ticking", **settings)
            assert code == 2
            assert "another server uses it" in said.splitlines()[-1]


def test_a_stored_job_goes_on_after_a_stop_and_a_start(tmp_path: Path) -> None:
    with running(tmp_path, DRAIN_SECONDS="0.2") as server:
        body = {"description": "step 0.1", "duration": 20, "seed": 3}
        job = httpx.post(server.url + "/api/v1/jobs", json=body).json()
        with httpx.stream("GET", server.url + job["events_url"]) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line == "event: start")
            server.signal(signal.SIGTERM)
            assert "event: completed" not in list(lines)  # it ends, and the job does not
        assert server.exit_code() == 0
        assert "Traceback" not in server.log
    with running(tmp_path) as server:
        with httpx.stream("GET", server.url + job["events_url"], timeout=20) as stream:
            names = [line for line in stream.iter_lines() if line.startswith("event: ")]
        assert names[-1] == "event: completed"
        again = httpx.get(f"{server.url}/api/v1/jobs/{job['id']}").json()
        assert (again["attempt"], again["seed"]) == (2, 3)
