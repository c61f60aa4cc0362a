"""How long a line is when it is sung, roughly: good enough to share out time, in any script."""

from __future__ import annotations

import re
import unicodedata

#: Chinese characters, kana and Korean blocks: a syllable each.
SYLLABIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
VOWELS = re.compile(r"[aeiouy]+")
SILENT_E = re.compile(r"(?<=[^aeiouy])(?:(?<![^aeiouy]l)e|es|ed)$")


def num_syllables(text: str) -> int:
    """At least 1."""
    rest = SYLLABIC.sub(" ", text)
    syllabic = len(SYLLABIC.findall(text))
    return max(1, syllabic + sum(_of_word(word) for word in WORD.findall(rest)))


def _of_word(word: str) -> int:
    """By its groups of vowels, as in English; accents do not count, figures are one each."""
    plain = unicodedata.normalize("NFD", word.lower())
    figures = sum(character.isdigit() for character in plain)
    groups = len(VOWELS.findall(SILENT_E.sub("", plain)))
    return figures + max(groups, 0 if figures else 1)
