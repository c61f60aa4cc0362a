"""Texts become the phonemes, and these the frames, that the published rules make of them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from server.errors import BadRequest
from server.models.diffrhythm.clone import Clone
from server.models.diffrhythm.frames import num_frames
from server.models.diffrhythm.lrc import Line
from server.models.diffrhythm.phonemes.pinyin import phones
from server.models.diffrhythm.phonemes.scripts import check_scripts, has_chinese, runs
from server.models.diffrhythm.placement import place
from tests.models.tiny_diffrhythm import FIXTURES, put_clone


@lru_cache
def described() -> dict[str, Any]:
    return json.loads((FIXTURES / "expected.json").read_text("utf-8"))["lyrics"]


LINES = [(name, line) for name, song in described().items() for line in song["lines"]]


class Questions:
    """Answers from the toy data, and remembers what was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers
        self.asked: list[list[object]] = []

    def __contains__(self, character: object) -> bool:
        return character in self._answers

    def reading(self, text: str, index: int) -> str:
        answer = self._answers[text[index]]
        self.asked.append([text, index, answer])
        return answer


@pytest.fixture(scope="module")
def questions() -> Questions:
    return Questions(toy()["polyphones"])


@pytest.fixture(scope="module")
def reader(questions: Questions) -> Any:
    for package in ("phonemizer", "jieba", "cn2an", "pypinyin", "inflect"):
        pytest.importorskip(package, reason="needs the extra phonemes")
    from server.models.diffrhythm.phonemes.chinese import Chinese
    from server.models.diffrhythm.phonemes.reader import Reader

    vocabulary = json.loads((FIXTURES / "vocab.json").read_text("utf-8"))["vocab"]
    return Reader(vocabulary, lambda: Chinese(toy()["lexicon"], questions))


@lru_cache
def toy() -> dict[str, Any]:
    return json.loads((FIXTURES / "zh_toy_data.json").read_text("utf-8"))


@pytest.mark.parametrize(("song", "line"), LINES, ids=lambda value: str(value)[:40])
def test_a_line_is_read_as_published(
    song: str, line: dict[str, Any], reader: Any, questions: Questions
) -> None:
    questions.asked.clear()
    tokens = reader.tokens(line["text"])
    assert questions.asked == line.get("polyphone_calls", [])
    assert tokens in (line["ids"], line.get("ids_other_espeak"))
    if tokens == line["ids"]:
        assert reader.phones(line["text"]) == line["phonemes"].strip("|").split("|")


@pytest.mark.parametrize("song", described())
@pytest.mark.parametrize(
    ("form", "seconds"), [("base", 95), ("full96", 96), ("full120", 120), ("full285", 285)]
)
def test_lines_are_placed_as_published(song: str, form: str, seconds: int) -> None:
    """At 95 s, where the published code loses the last line, as it was meant."""
    lines = [(line["seconds"], line["ids"]) for line in described()[song]["lines"]]
    placed = place([line for line in lines if line[0] < seconds], num_frames(seconds))
    with np.load(FIXTURES / "expected.npz") as arrays:
        assert np.array_equal(placed, arrays[f"lrc.{song}.{form}"])


def test_what_is_beyond_the_song_is_cut_off() -> None:
    assert place([(0.0, [5, 6]), (0.1, [7, 8, 9])], 5).tolist() == [5, 6, 2, 7, 8]


def test_a_full_stop_in_a_line_is_a_comma() -> None:
    assert place([(0.0, [5, 2, 6])], 5).tolist() == [5, 1, 6, 2, 0]


@pytest.mark.parametrize("text", ["", "   ", "♪", "♪ ♫", "—", "[]", "🎵🎶"])
def test_what_cannot_be_said_is_left_out(text: str, reader: Any) -> None:
    assert reader.tokens(text) == []


@pytest.mark.parametrize("text", ["123", "3.50", "$5", "...", "'", "9" * 5000, "1/0", "$.", "99%"])
def test_figures_and_marks_alone_are_no_fault(text: str, reader: Any) -> None:
    assert all(isinstance(token, int) for token in reader.tokens(text))


@pytest.mark.parametrize("text", ["一", "好不", "儿", "一一一", "2" * 5000 + "年", "第3", "yo哟"])
def test_odd_chinese_is_no_fault(text: str, reader: Any) -> None:
    assert reader.tokens(text)


def test_a_character_that_the_lexicon_lacks_is_read_all_the_same(reader: Any) -> None:
    assert "鲸" not in toy()["lexicon"]
    assert reader.phones("鲸") == ["tʃ⁼", "iŋ→"]


@pytest.mark.parametrize("line", described()["zh_toy"]["lines"], ids=lambda line: line["text"])
def test_the_files_of_a_clone_read_as_the_toy_data(line: dict[str, Any], clone: Clone) -> None:
    chinese = clone.chinese()
    assert chinese.phones(line["text"]) == line["phonemes"].strip("|").split("|")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    for package in ("onnxruntime", "jieba"):
        pytest.importorskip(package, reason="needs the extra phonemes")
    home = tmp_path_factory.mktemp("clone")
    put_clone(home)
    return Clone(home)


def test_a_character_the_polyphone_model_does_not_know_is_no_fault(clone: Clone) -> None:
    assert clone.chinese().phones("鲸鱼长大了")[-2:] == ["l", "ə"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Mr. Lee", "mister. Lee"),
        ("1,000,000", " one million "),
        ("1905", " nineteen oh five "),
        ("2000", " two thousand "),
        ("2007", " two thousand seven "),
        ("1800", " eighteen hundred "),
        ("$1.05", "  one  dollar,  five  cents "),
        ("$.50", "  fifty  cents "),
        ("£20", " twenty  pounds"),
        ("3/4", " three quarters "),
        ("1/2", " one half "),
        ("2/3", " two third "),
        ("2.5", " two  point  five "),
        ("21st", " twenty-first "),
        ("1" * 16, " " + " ".join(["one"] * 16) + " "),
    ],
)
def test_figures_are_written_out(said: str, wanted: str) -> None:
    pytest.importorskip("inflect", reason="needs the extra phonemes")
    from server.models.diffrhythm.phonemes.numbers import spelled_out

    assert spelled_out(said) == wanted


@pytest.mark.parametrize(
    ("syllable", "wanted"),
    [
        ("zhong1", ["ts`⁼", "ʊŋ→"]),
        ("shi4", ["s`ɹ↓"]),
        ("zi5", ["ts⁼"]),
        ("bo1", ["p⁼wo→"]),
        ("nv3", ["n", "ɥ↓↑"]),
        ("xue2", ["ʃ", "ɥɛ↑"]),
        ("lue4", ["l", "ɥɛ↓"]),
        ("juan4", ["tʃ⁼", "ɥæn↓"]),
        ("yuan2", ["ɥæn↑"]),
        ("yong3", ["jʊŋ↓↑"]),
        ("er2", ["əɹ↑"]),
        ("yo5", ["i", "o"]),
        ("qqq1", []),
    ],
)
def test_syllables_of_mandarin(syllable: str, wanted: list[str]) -> None:
    assert phones(syllable) == wanted


def test_runs_take_what_is_between_them() -> None:
    assert runs("2024年 é dance, 月亮!") == [
        ("zh", "2024年 é "),
        ("en", "dance, "),
        ("zh", "月亮!"),
    ]
    assert runs("12") == [("en", "12")]


@pytest.mark.parametrize(
    ("text", "letter"), [("привет", "п"), ("こんにちは", "こ"), ("안녕", "안"), ("ok नमस्ते", "न")]
)
def test_other_scripts_are_refused_with_the_line(text: str, letter: str) -> None:
    lines = [Line(0.0, "hello", 3), Line(1.0, text, 7)]
    with pytest.raises(BadRequest, match=f"^lyrics line 7 .*{letter}") as raised:
        check_scripts(lines)
    assert raised.value.field == "lyrics"


def test_what_can_be_read_is_not_refused() -> None:
    check_scripts([Line(0.0, "naïve café — 50% ♪ 月亮 … 3½ 🎵", 1)])


def test_chinese_is_seen() -> None:
    assert has_chinese([Line(0.0, "hello", 1), Line(1.0, "oh 月", 2)])
    assert not has_chinese([Line(0.0, "hello", 1)])
