"""English: spelled out by rules, then said by espeak-ng."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from server.models.diffrhythm.phonemes.marks import MARKS, SPACED_MARK, plain_marks
from server.models.diffrhythm.phonemes.numbers import spelled_out

WORD_END = "_"
#: Neighbours that the vocabulary has as one.
PAIRS = {
    ("t", "ɹ"): "tɹ",
    ("d", "ɹ"): "dɹ",
    ("t", "s"): "ts",
    ("d", "z"): "dz",
    ("ɪ", "ɹ"): "ɪɹ",
    ("oː", "ɹ"): "oːɹ",
}
#: What espeak-ng says → what the vocabulary has for it.
LIKE = {"ɐ": "ɚ", "ᵻ": "ɪ", "əl": "l", "x": "k", "ɬ": "l", "ʔ": "t", "n̩": "n"}
#: An English run that ends so is set apart from the Chinese after it; other ends run into it.
SET_APART = frozenset("p⁼ʰmftnlkxʃs`ɹaoəɛɪeɑʊŋiuɥwæjː")
LIBRARY = "PHONEMIZER_ESPEAK_LIBRARY"


def is_installed() -> bool:
    """Whether espeak-ng can be found: by its variable, on the system, or as a Python package."""
    return bool(
        os.environ.get(LIBRARY) or shutil.which("espeak-ng") or find_spec("espeakng_loader")
    )


class English:
    """Says English. One at a time: espeak-ng has one state for all threads."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def phones(self, text: str, before_chinese: bool = False) -> list[str]:
        """The phonemes of `text`; none where nothing in it is said."""
        cleaned = _cleaned(spelled_out(text))
        if not re.search(r"\w", cleaned):
            return [mark for mark in cleaned if mark in MARKS]
        with self._one_at_a_time:
            said = _backend().phonemize([cleaned], separator=_separator(), strip=True, njobs=1)
        phones = [phone for phone in SPACED_MARK.sub(r"|\1|", "".join(said)).split("|") if phone]
        apart = before_chinese and phones and phones[-1][-1] in SET_APART
        return _known(phones) + ([WORD_END] if apart else [])


def _cleaned(text: str) -> str:
    """Only words and marks, a single space between words and none around marks."""
    text = re.sub(rf"[^\w\s{MARKS}]", "", plain_marks(text))
    return re.sub(r"\s+", " ", SPACED_MARK.sub(r"\1", text)).strip()


def _known(phones: list[str]) -> list[str]:
    """In the vocabulary's own terms."""
    joined: list[str] = []
    for phone in phones:
        pair = (joined[-1], phone) if joined else None
        if pair in PAIRS:
            joined[-1] = PAIRS[pair]
        else:
            joined.append(phone)
    return [LIKE.get(phone, phone) for phone in joined]


@lru_cache(maxsize=1)
def _backend() -> Any:
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    if not (os.environ.get(LIBRARY) or shutil.which("espeak-ng")):
        import espeakng_loader

        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    log = logging.getLogger("espeak")
    log.setLevel(logging.ERROR)  # it counts words aloud, which run together here
    return EspeakBackend(
        "en-us",
        punctuation_marks=MARKS,
        preserve_punctuation=True,
        language_switch="remove-flags",
        words_mismatch="ignore",
        logger=log,
    )


@lru_cache(maxsize=1)
def _separator() -> Any:
    from phonemizer.separator import Separator

    return Separator(phone="|", word=f"|{WORD_END}|", syllable="-")
