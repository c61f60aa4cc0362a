from __future__ import annotations

from pathlib import Path

import pytest

from server.stores.lock import UnusableStore
from server.stores.output_store import OutputStore

ID = "0123456789abcdef" * 2


@pytest.fixture
def store(tmp_path: Path) -> OutputStore:
    store = OutputStore(tmp_path / "output")
    store.open()
    return store


def two_takes(folder: Path) -> None:
    (folder / "take-0.wav").write_bytes(b"zero")
    (folder / "take-1.wav").write_bytes(b"one")
    (folder / ".events.jsonl").write_text("{}\n")


def test_outputs_appear_together(store: OutputStore, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        two_takes(folder)
        assert store.names(ID) == []

    assert store.names(ID) == []
    assert store.keep(ID, "id: 1\n", fill) == ["take-0.wav", "take-1.wav"]
    assert (tmp_path / "output" / ID / "metadata.txt").read_text() == "id: 1\n"
    assert {path.name for path in (tmp_path / "output" / ID).iterdir()} == {
        "output",
        "metadata.txt",
    }


def test_a_failure_in_the_middle_shows_nothing(store: OutputStore) -> None:
    def fill(folder: Path) -> None:
        two_takes(folder)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        store.keep(ID, "", fill)
    assert store.names(ID) == []
    assert store.keep(ID, "", two_takes) == ["take-0.wav", "take-1.wav"]


def test_keeping_again_replaces_what_was_there(store: OutputStore) -> None:
    store.keep(ID, "", two_takes)
    store.keep(ID, "", lambda folder: (folder / "take-0.wav").write_bytes(b"new") and None)
    assert store.names(ID) == ["take-0.wav"]
    assert (store.outputs(ID) / "take-0.wav").read_bytes() == b"new"


def test_opening_clears_away_what_was_half_written(store: OutputStore, tmp_path: Path) -> None:
    store.keep(ID, "", two_takes)
    job = tmp_path / "output" / ID
    halves = [
        job / "output" / "take-0.mp3.partial",
        job / "metadata.txt.partial",
        tmp_path / "output" / f"{'f' * 32}.partial" / "take-0.wav",
        tmp_path / "output" / ("e" * 32) / "output.partial" / "take-0.wav",
    ]
    for half in halves:
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(b"half")
    store.close()
    store.open()
    assert not any(half.exists() for half in halves)
    assert store.names(ID) == ["take-0.wav", "take-1.wav"]


def test_a_derived_file_is_made_once_and_appears_whole(store: OutputStore) -> None:
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"mp3")
        assert not (store.outputs(ID) / "take-0.mp3").exists()

    store.keep(ID, "", two_takes)
    for _ in range(2):
        assert store.derive(ID, "take-0.mp3", make).read_bytes() == b"mp3"
    assert len(made) == 1


def test_removing_takes_all_and_may_be_done_twice(store: OutputStore, tmp_path: Path) -> None:
    store.keep(ID, "", two_takes)
    for _ in range(2):
        store.remove(ID)
        assert store.names(ID) == []
        assert not list((tmp_path / "output").glob("*e*f*"))


def test_sizes_count_every_file_of_a_job(store: OutputStore, tmp_path: Path) -> None:
    store.keep(ID, "12345", two_takes)
    (tmp_path / "output" / "not-a-job").mkdir()
    assert store.sizes() == {ID: 5 + 4 + 3 + 3}


def test_a_second_server_is_refused_until_the_first_one_is_gone(
    store: OutputStore, tmp_path: Path
) -> None:
    second = OutputStore(tmp_path / "output")
    with pytest.raises(UnusableStore, match=r"OUTPUT_DIR=.* another server uses it"):
        second.open()
    store.close()
    second.open()


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableStore, match=r"OUTPUT_DIR=.*/file/output cannot be used: Not a dir"):
        OutputStore(tmp_path / "file" / "output").open()
