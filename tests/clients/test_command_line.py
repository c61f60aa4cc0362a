"""The command line as a real process: its output, its exit codes, Ctrl-C, a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.dialect_server import Exchange, Script, serving
from tests.clients.scripts import SOUND, busy, whole_song, work
from tests.live import live

if sys.platform == "win32":
    pytest.skip("needs POSIX signals and terminals", allow_module_level=True)

import pty

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 30


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **extra}


def run(
    directory: Path, *arguments: str, **extra_environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clients", *arguments],
        cwd=directory,
        env=environment(**extra_environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "clients", *arguments],
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """A test run in the background of a shell has it ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_song_from_the_command_line(tmp_path: Path) -> None:
    wishes = ["--duration=3", "--seed=42", "--top-k=5", "--bpm=80", "--num-takes=2"]
    wishes += ["--mute-drums", '--prompts=[{"text": "jazz", "weight": 0.5}]']
    to = ["--stream-audio", "--out", "rain.wav"]
    with serving(whole_song) as server:
        done = run(tmp_path, "lofi with rain", "--server", server.url, *wishes, *to)
    assert (done.returncode, done.stderr) == (0, "")
    for fact in ("rain.wav: 3 s of music", "first sound after 0.", "seed 42", "model sketch"):
        assert fact in done.stdout
    assert (tmp_path / "rain.wav").read_bytes() == SOUND
    assert server.bodies == [
        {
            "description": "lofi with rain",
            "duration": 3,
            "seed": 42,
            "top_k": 5,
            "bpm": 80,
            "num_takes": 2,
            "mute_drums": True,
            "prompts": [{"text": "jazz", "weight": 0.5}],
            "stream_audio": True,
        }
    ]


def test_an_edit_of_a_song_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_text("[00:10.00]é", "utf-8")
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    edit = ["--ref-song=a.flac", "--edit-segments=[[-1, 25]]", "--lyrics=a.lrc"]
    with serving(whole_song) as server:
        done = run(tmp_path, "folk", "--server", server.url, *edit)
    assert done.returncode == 0, done.stderr
    sent = {"lyrics": "[00:10.00]é", "ref_song": "ZkxhQw==", "edit_segments": [[-1, 25]]}
    assert server.bodies == [{"description": "folk", **sent}]
    done = run(tmp_path, "folk", "--lyrics=b.lrc")
    assert done.returncode == 2
    assert "cannot read b.lrc" in done.stderr


def test_json_lines_and_the_server_from_the_environment(tmp_path: Path) -> None:
    with serving(busy(Retry_After="0"), whole_song) as server:
        done = run(tmp_path, "rain", "--json", "--retries", "1", CONTINUO_SERVER=server.url)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == [
        "retrying",
        "queued",
        "start",
        "progress",
        "audio",
        "warning",
        "of_a_newer_server",
        "completed",
        "saved",
    ]
    assert lines[4]["num_bytes"] == 4
    assert lines[-2] == {"event": "completed", "seed": 42, "num_bytes": len(SOUND)}
    assert (tmp_path / lines[-1]["path"]).read_bytes() == SOUND


def test_the_key_comes_from_the_environment_or_the_command_line(tmp_path: Path) -> None:
    with live(api_keys="good-key") as server:
        address = ("--server", server.url)
        assert "asks for a key" in run(tmp_path, "rain", *address).stderr
        assert run(tmp_path, "rain", *address, CONTINUO_API_KEY="good-key").returncode == 0
        assert run(tmp_path, "rain", *address, "--api-key", "good-key").returncode == 0


def refuse(exchange: Exchange) -> None:
    exchange.refuse(400, {"error": "bad_request", "message": "bpm must be 40 to 240; got 9"})


def fail(exchange: Exchange) -> None:
    exchange.begin()
    exchange.tell("error", message="the model hangs")


@pytest.mark.parametrize(
    ("script", "exit_code", "said"),
    [
        (refuse, 2, "error: bpm must be 40 to 240; got 9"),
        (busy(), 1, "error: the only slot is taken"),
        (fail, 1, "error: the model hangs"),
    ],
)
def test_an_error_is_one_line(tmp_path: Path, script: Script, exit_code: int, said: str) -> None:
    with serving(script) as server:
        done = run(tmp_path, "rain", "--server", server.url)
    assert (done.returncode, done.stdout, done.stderr) == (exit_code, "", said + "\n")


def test_no_server_is_one_line(tmp_path: Path) -> None:
    with serving() as server:
        url = server.url
    done = run(tmp_path, "rain", "--server", url)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert url in done.stderr
    assert "make run" in done.stderr


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "rain", "--out", "file/rain.wav")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_stops_the_work_of_the_server(tmp_path: Path) -> None:
    with serving(work) as server:
        client = start(tmp_path, "rain", "--server", server.url, "--json")
        assert client.stdout is not None
        assert "progress" in client.stdout.readline()  # it is under way
        pressed_at = time.monotonic()
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=TIMEOUT_SECONDS)
        assert server.gone.wait(2)
    assert client.returncode == 130
    assert server.gone_at - pressed_at < 1
    assert said == "stopped: the connection is closed and the server drops the work\n"
    assert list((tmp_path / "output").iterdir()) == []


def test_a_reader_of_json_lines_that_leaves_stops_the_work(tmp_path: Path) -> None:
    with serving(work) as server:
        client = start(tmp_path, "rain", "--server", server.url, "--json")
        assert client.stdout is not None
        client.stdout.readline()
        client.stdout.close()
        assert server.gone.wait(5)
        assert client.stderr is not None
        with client.stderr:
            assert client.stderr.read() == ""
        assert client.wait(TIMEOUT_SECONDS) == 1


def test_a_terminal_gets_a_progress_bar(tmp_path: Path) -> None:
    def slowly(exchange: Exchange) -> None:
        exchange.begin()
        exchange.tell("queued", position=2, eta_seconds=12)
        exchange.tell("start")
        exchange.tell("progress", progress=50)
        exchange.tell("completed", audio="")

    terminal, terminal_end = pty.openpty()
    with serving(slowly) as server:
        done = subprocess.run(
            [sys.executable, "-m", "clients", "rain", "--server", server.url],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=terminal_end,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
    os.close(terminal_end)
    drawn = os.read(terminal, 2**16).decode()
    os.close(terminal)
    lines = [line.rstrip() for line in drawn.split("\r") if line.strip()]
    assert lines[0] == "waiting for a slot, place 2, about 12 s"
    assert lines[1].startswith("[" + "-" * 30 + "]   0 %  0:0")
    assert lines[2].startswith("[" + "#" * 15 + "-" * 15 + "]  50 %")
    assert lines[3].startswith("[" + "#" * 30 + "] 100 %")
    assert drawn.endswith("\n")
    assert b"#" not in done.stdout
