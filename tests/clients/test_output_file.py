"""Readable names that never take the place of another file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from clients.output_file import OutputFile, slug


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Lofi, with rain!", "lofi-with-rain"),
        ("../../etc/passwd", "etc-passwd"),
        ("Ästhetik & 雨の音", "ästhetik-雨の音"),
        ("a_b\nc\0d", "a-b-c-d"),
        ("🎵🎵", "music"),
        ("", "music"),
        ("lone \udc80 surrogate", "lone-surrogate"),
    ],
)
def test_a_name_can_be_read_and_stays_in_its_directory(description: str, name: str) -> None:
    assert slug(description) == name


@pytest.mark.parametrize("letter", ["x", "é", "雨", "𝒳"])
def test_a_long_description_gives_a_name_that_any_file_system_takes(letter: str) -> None:
    path = OutputFile(None, letter * 10_000, "flac").save(b"sound", 2**32 - 1)
    assert len(path.name.encode()) < 110
    assert path.read_bytes() == b"sound"


def test_a_directory_gets_new_names() -> None:
    Path("songs").mkdir()
    paths = [OutputFile("songs", "rain", "mp3").save(b"%d" % number, 7) for number in range(3)]
    assert [path.name for path in paths] == ["rain-7.mp3", "rain-7-2.mp3", "rain-7-3.mp3"]
    assert [path.read_bytes() for path in paths] == [b"0", b"1", b"2"]


def test_a_directory_that_is_not_there_yet_ends_in_a_slash() -> None:
    assert OutputFile("new/", "rain", "wav").save(b"", 7) == Path("new/rain-7.wav")


def test_many_at_once_get_names_of_their_own() -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(OutputFile(None, "x", "wav").save(b"", 1)))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 20


def test_a_file_that_was_named_is_replaced() -> None:
    for sound in (b"old and longer", b"new"):
        assert OutputFile("a/b/rain.wav", "rain", "wav").save(sound, 7) == Path("a/b/rain.wav")
    assert Path("a/b/rain.wav").read_bytes() == b"new"


def test_a_place_that_cannot_be_is_known_before_the_music_is_made() -> None:
    Path("file").write_text("")
    with pytest.raises(OSError, match="file"):
        OutputFile("file/rain.wav", "rain", "wav")
