"""What both clients promise while all goes well, against a real server on a real socket."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from clients import events
from clients.aiohttp_client import AsyncMusicGenClient
from clients.errors import BadRequest
from tests.clients.both_clients import Caller
from tests.clients.dialect_server import Exchange, serving, sse
from tests.clients.scripts import SOUND, base64_text, completed, whole_song, work


def test_every_event_is_typed(caller: Caller) -> None:
    with serving(whole_song) as server:
        seen = [event for _, event in caller.stream(server.url)]
    assert seen == [
        events.Queued(1, 2.5),
        events.Started("j1", "sketch", 42, 48000, 2, 3.0),
        events.Progress(50.0, 0.5, 1.0),
        events.Audio(b"\1\2\3\4", 48000, 2, sequence=3, take=1),
        events.Warning("hardly a sound", "quiet"),
        events.Unknown("of_a_newer_server"),
        events.Completed(SOUND, seed=42),
    ]
    assert seen[1].wire["of_a_newer_server"] == [1]
    assert seen[5].wire["mood"] == "blue"
    assert "audio" not in seen[6].wire


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until-closed"])
def test_an_event_arrives_before_the_next_is_sent(caller: Caller, chunked: bool) -> None:
    sent_at: list[float] = []

    def slowly(exchange: Exchange) -> None:
        exchange.begin(chunked)
        for percent in (0, 50, 100):
            sent_at.append(time.monotonic())
            exchange.tell("progress", progress=percent)
            time.sleep(0.3)
        exchange.write(completed())
        exchange.end()

    with serving(slowly) as server:
        arrived_at = [moment for moment, _ in caller.stream(server.url)]
    for sent, arrived in zip(sent_at, arrived_at, strict=False):
        assert 0 <= arrived - sent < 0.25


def test_takes_are_saved_side_by_side(caller: Caller, tmp_path: Path) -> None:
    def three_takes(exchange: Exchange) -> None:
        takes = [
            {"seed": seed, "audio": base64_text(sound), "stems": {"drums": base64_text(b"boom")}}
            for seed, sound in ((7, SOUND), (8, b"second"), (9, b"third"))
        ]
        exchange.begin()
        exchange.write(completed(seed=7, takes=takes))
        exchange.end()

    with serving(three_takes) as server:
        music = caller.generate(server.url, "rain", num_takes=3, out=tmp_path / "rain.wav")
    assert [path.name for path in music.takes] == ["rain.wav", "rain-take-2.wav", "rain-take-3.wav"]
    assert [path.read_bytes() for path in music.takes] == [SOUND, b"second", b"third"]
    assert (tmp_path / "rain-take-3-drums.wav").read_bytes() == b"boom"
    assert server.bodies == [{"description": "rain", "num_takes": 3}]


def test_sound_files_are_sent_whole(caller: Caller, tmp_path: Path) -> None:
    tune = tmp_path / "tune.ogg"
    tune.write_bytes(b"OggS and so on")
    with serving(whole_song) as server:
        caller.generate(server.url, "rain", melody=tune, continue_audio=str(tune), out=tmp_path)
    sent = base64_text(tune.read_bytes())
    assert server.bodies == [{"description": "rain", "melody": sent, "continue_audio": sent}]


def test_songs_are_asked_for_and_edited(caller: Caller, tmp_path: Path) -> None:
    song = tmp_path / "song.flac"
    song.write_bytes(b"fLaC and so on")
    edit = {"lyrics": "[00:10.00]la", "edit_segments": [[-1, 25], [50, -1]]}
    with serving(whole_song) as server:
        caller.generate(server.url, "", ref_audio=song, ref_song=song, **edit, out=tmp_path)
    sent = base64_text(song.read_bytes())
    assert server.bodies == [{"description": "", "ref_audio": sent, "ref_song": sent, **edit}]


def test_a_sound_file_that_is_not_there(caller: Caller, tmp_path: Path) -> None:
    with serving() as server, pytest.raises(FileNotFoundError, match=r"tune\.ogg"):
        caller.generate(server.url, "rain", melody=tmp_path / "tune.ogg")
    assert not server.bodies


def test_bytes_cut_anywhere_give_the_same_events(caller: Caller) -> None:
    text = sse("warning", message="grüße").replace(b"\\u00fc", b"\xc3\xbc") + completed()

    def in_single_bytes(exchange: Exchange) -> None:
        exchange.begin()
        for index in range(len(text)):
            exchange.write(text[index : index + 1])

    with serving(in_single_bytes) as server:
        seen = [event for _, event in caller.stream(server.url)]
    assert seen == [events.Warning("grüße"), events.Completed(SOUND)]


def test_a_minute_of_stereo_on_one_line(caller: Caller) -> None:
    song = os.urandom(60 * 48000 * 2 * 2)  # 60 s, 48 kHz, 2 channels, 2 bytes: 15 MB in base64
    line = completed(song)

    def send(exchange: Exchange) -> None:
        exchange.begin()
        for start in range(0, len(line), 65536):
            exchange.write(line[start : start + 65536])

    with serving(send) as server:
        began = time.monotonic()
        music = caller.generate(server.url, "long", out="song.wav")
        elapsed_seconds = time.monotonic() - began
    assert music.audio == song
    assert Path("song.wav").read_bytes() == song
    assert elapsed_seconds < 10


# --- the request ---


def test_only_fields_that_were_set_are_sent(caller: Caller) -> None:
    with serving(whole_song, whole_song) as server:
        caller.generate(server.url, "rain")
        caller.generate(server.url, "rain", duration=3, seed=0, top_p=None, stream_audio=False)
    assert server.paths == ["/api/v1/generate_music"] * 2
    assert server.bodies == [
        {"description": "rain"},
        {"description": "rain", "duration": 3, "seed": 0, "stream_audio": False},
    ]


def test_the_extension_of_out_asks_for_its_format(caller: Caller) -> None:
    with serving(whole_song) as server:
        caller.generate(server.url, "rain", out="rain.flac")
        assert server.bodies == [{"description": "rain", "format": "flac"}]
        with pytest.raises(BadRequest, match=r"rain\.flac is no name for a mp3 file"):
            caller.generate(server.url, "rain", out="rain.flac", format="mp3")


def test_nan_is_refused_before_it_is_sent(caller: Caller) -> None:
    with serving() as server, pytest.raises(BadRequest, match="temperature") as caught:
        caller.generate(server.url, "rain", temperature=float("nan"))
    assert caught.value.field == "temperature"
    assert server.bodies == []


# --- the result ---


def test_the_music_is_saved_and_described(caller: Caller) -> None:
    seen: list[events.Event] = []
    with serving(whole_song, whole_song) as server:
        music = caller.generate(server.url, "Lofi with rain", on_event=seen.append)
        again = caller.generate(server.url, "Lofi with rain")
    assert music.path == Path("output/lofi-with-rain-42.wav")
    assert again.path == Path("output/lofi-with-rain-42-2.wav")
    assert music.path.read_bytes() == music.audio == SOUND
    assert (music.seed, music.sample_rate, music.duration_seconds) == (42, 48000, 3.0)
    assert (music.model, music.job_id) == ("sketch", "j1")
    assert music.first_sound_seconds is not None
    assert 0 < music.first_sound_seconds <= music.elapsed_seconds
    assert len(seen) == 7


def test_a_server_that_says_little_is_enough(caller: Caller) -> None:
    def tersely(exchange: Exchange) -> None:
        exchange.begin()
        exchange.tell("start")
        exchange.write(completed())

    with serving(tersely) as server:
        music = caller.generate(server.url, "rain")
    assert music.path == Path("output/rain.wav")
    assert (music.seed, music.model, music.first_sound_seconds) == (None, None, None)


# --- leaving ---


def test_leaving_the_stream_closes_the_connection(caller: Caller) -> None:
    with serving(work) as server:
        left_at = caller.stream(server.url, num_events=3)[-1][0]
        assert server.gone.wait(2)
    assert server.gone_at - left_at < 1


def test_an_error_of_the_callers_own_closes_the_connection(caller: Caller) -> None:
    def fail(event: events.Event) -> None:
        raise ZeroDivisionError

    with serving(work) as server:
        with pytest.raises(ZeroDivisionError):
            caller.generate(server.url, "rain", on_event=fail)
        assert server.gone.wait(2)


async def test_cancelling_the_task_closes_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(work) as server:
        async with AsyncMusicGenClient(server.url) as client:
            under_way = asyncio.Event()
            task = asyncio.create_task(
                client.generate_music("rain", on_event=lambda event: under_way.set())
            )
            await under_way.wait()
            task.cancel()
            cancelled_at = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.gone.wait, 2)
    assert server.gone_at - cancelled_at < 1
