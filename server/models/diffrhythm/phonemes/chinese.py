"""Mandarin: words found by jieba, read by a lexicon, their tones changed as they are spoken."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Protocol

from server.models.diffrhythm.phonemes.marks import MARKS, SPACED_MARK, plain_marks
from server.models.diffrhythm.phonemes.pinyin import phones
from server.models.diffrhythm.phonemes.scripts import CHINESE

#: Longer ones are read figure by figure.
LONGEST_NUMBER = 16
SMALL_NUMBERS = "零一二三四五六七八九十"
#: Words whose 儿 keeps its tone: a person, not an ending.
WITH_ER = frozenset({"女儿", "老儿", "男儿", "少儿", "小儿"})
DATES = ("一月", "一日", "一号")


class Polyphones(Protocol):
    """Characters with several readings, and which of them is meant."""

    def __contains__(self, character: object) -> bool: ...

    def reading(self, text: str, index: int) -> str:
        """Of the character at `index` of `text`, such as "chang2"."""
        ...


class Chinese:
    """Says Mandarin by `lexicon`, word → its syllables ("chun1 feng1")."""

    def __init__(self, lexicon: Mapping[str, str], polyphones: Polyphones) -> None:
        self._lexicon = lexicon
        self._polyphones = polyphones

    def phones(self, text: str) -> list[str]:
        """The phonemes of `text`."""
        text = _cleaned(_numbers_read(text))
        said: list[str] = []
        position = 0
        for word in _words(text):
            readings = spoken(word, self._readings(text, position, word))
            said += [phone for reading in readings for phone in _phones(reading)]
            position += len(word)
        return said

    def _readings(self, text: str, position: int, word: str) -> list[str]:
        """A syllable for each character of `word`, which stands at `position` of `text`."""
        if word in self._lexicon and word not in self._polyphones:
            return self._lexicon[word].split(" ")
        return [self._reading(text, position + i) for i in range(len(word))]

    def _reading(self, text: str, index: int) -> str:
        character = text[index]
        if character in MARKS:
            return character
        if character in self._polyphones:
            return self._polyphones.reading(text, index)
        if character in self._lexicon:
            return self._lexicon[character]
        return _common_reading(character)


def spoken(word: str, readings: list[str]) -> list[str]:
    """`readings` of the characters of `word` with their tones as they are said together."""
    if len(readings) != len(word):
        return readings
    for change in (_two_low_tones, _tones_of_bu, _tones_of_yi, _tone_of_er):
        change(word, readings)
    return readings


def _two_low_tones(word: str, readings: list[str]) -> None:
    if len(word) == 2 and all(reading.endswith("3") for reading in readings):
        _change(readings, 0, "2")


def _tones_of_bu(word: str, readings: list[str]) -> None:
    if word.strip("不") == "" or word == "不字":
        return
    if len(word) == 3 and word[1] == "不" and readings[1][:-1] == "bu":
        _change(readings, 1, "5")
        return
    for i, character in enumerate(word[:-1]):
        if character == "不" and readings[i + 1].endswith("4"):
            _change(readings, i, "2")


def _tones_of_yi(word: str, readings: list[str]) -> None:
    if "一" not in word:
        return
    if any(character.isnumeric() for character in word if character != "一"):
        _tones_of_yi_in_numbers(word, readings)
    elif len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        _change(readings, 1, "5")
    elif word.startswith("第一"):
        _change(readings, 1, "1")
    elif word.startswith(DATES):
        _change(readings, 0, "1")
    else:
        for i, character in enumerate(word[:-1]):
            if character == "一" and word[i + 1] not in MARKS:
                _change(readings, i, "2" if readings[i + 1].endswith("4") else "4")


def _tones_of_yi_in_numbers(word: str, readings: list[str]) -> None:
    for i, character in enumerate(word):
        if character == "一":
            _change(readings, i, "1")
    if word[0] == "一" and word[1] not in SMALL_NUMBERS:
        _change(readings, 0, "2" if readings[1].endswith(("4", "5", "0")) else "4")


def _tone_of_er(word: str, readings: list[str]) -> None:
    if len(word) > 1 and word.endswith("儿") and word not in WITH_ER:
        _change(readings, len(word) - 1, "5")


def _change(readings: list[str], index: int, tone: str) -> None:
    readings[index] = readings[index][:-1] + tone


def _phones(reading: str) -> list[str]:
    """Of a syllable; what is no syllable is a mark."""
    return phones(reading) if reading[-1].isdigit() else [reading]


def _numbers_read(text: str) -> str:
    import cn2an

    long_number = re.compile(rf"[0-9]{{{LONGEST_NUMBER + 1},}}")
    text = long_number.sub(lambda found: _figure_by_figure(found[0]), text)
    read: str = cn2an.transform(text, "an2cn")
    return read


def _figure_by_figure(figures: str) -> str:
    return "".join(SMALL_NUMBERS[int(figure)] for figure in figures)


def _cleaned(text: str) -> str:
    """Only characters and marks."""
    text = re.sub(r"\s+", "", plain_marks(text))
    return SPACED_MARK.sub(r"\1", re.sub(rf"[^{CHINESE}{MARKS}]", "", text))


def _words(text: str) -> list[str]:
    """By jieba; 一, 不 and 儿 stand with the words whose tones they share."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    words = _joined_doubles(jieba.lcut(text))
    words = _joined_to_next(_joined_to_next(words, "一"), "不")
    return _joined_to_last(words, "儿")


def _joined_doubles(words: list[str]) -> list[str]:
    """看 一 看 becomes one word; only the first such of a text, as the weights are used to."""
    for i in range(len(words) - 2):
        if words[i + 1] == "一" and words[i] == words[i + 2]:
            return [*words[:i], "".join(words[i : i + 3]), *words[i + 3 :]]
    return words


def _joined_to_next(words: list[str], first: str) -> list[str]:
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == first:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _joined_to_last(words: list[str], last: str) -> list[str]:
    joined: list[str] = []
    for word in words:
        if joined and word == last:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _common_reading(character: str) -> str:
    """By pypinyin, for what is not in the lexicon."""
    from pypinyin import Style, lazy_pinyin

    said = lazy_pinyin(character, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
    return str(said[0])
