"""Mandarin syllables, written as pinyin with a figure for the tone, as phonemes."""

from __future__ import annotations

#: By the figure; the neutral tone, 5 (or 0), has none.
TONES = {"1": "→", "2": "↑", "3": "↓↑", "4": "↓"}
#: Two letters before one, so that the first that fits is right.
INITIALS = {
    "zh": "ts`⁼",
    "ch": "ts`ʰ",
    "sh": "s`",
    "b": "p⁼",
    "p": "pʰ",
    "m": "m",
    "f": "f",
    "d": "t⁼",
    "t": "tʰ",
    "n": "n",
    "l": "l",
    "g": "k⁼",
    "k": "kʰ",
    "h": "x",
    "j": "tʃ⁼",
    "q": "tʃʰ",
    "x": "ʃ",
    "r": "ɹ`",
    "z": "ts⁼",
    "c": "tsʰ",
    "s": "s",
}
FINALS = {
    "a": "a",
    "o": "o",
    "e": "ə",
    "ai": "aɪ",
    "ei": "eɪ",
    "ao": "ɑʊ",
    "ou": "oʊ",
    "an": "an",
    "en": "ən",
    "ang": "ɑŋ",
    "eng": "əŋ",
    "er": "əɹ",
    "i": "i",
    "ia": "ia",
    "ie": "iɛ",
    "iao": "iɑʊ",
    "iu": "ioʊ",
    "ian": "jɛn",
    "in": "in",
    "iang": "iɑŋ",
    "ing": "iŋ",
    "iong": "jʊŋ",
    "u": "u",
    "ua": "ua",
    "uo": "uo",
    "uai": "uaɪ",
    "ui": "ueɪ",
    "uan": "uan",
    "un": "uən",
    "uang": "uɑŋ",
    "ong": "ʊŋ",
    "v": "ɥ",
    "ve": "ɥɛ",
    "van": "ɥæn",
    "vn": "ɥn",
}
#: Syllables without an initial → the final that they are.
ALONE = {
    "yi": "i",
    "ya": "ia",
    "ye": "ie",
    "yao": "iao",
    "you": "iu",
    "yan": "ian",
    "yin": "in",
    "yang": "iang",
    "ying": "ing",
    "yong": "iong",
    "wu": "u",
    "wa": "ua",
    "wo": "uo",
    "wai": "uai",
    "wei": "ui",
    "wan": "uan",
    "wen": "un",
    "wang": "uang",
    "weng": "ong",
    "wong": "ong",
    "yu": "v",
    "yue": "ve",
    "yve": "ve",
    "yuan": "van",
    "yun": "vn",
    "n": "en",
    "ng": "en",
}
#: Syllables that are none of these.
ODD = {
    "m": ("m", "u"),
    "yo": ("i", "o"),
    "yai": ("i", "aɪ"),
    "tsuo": ("tsʰ", "uo"),
    "tzan": ("ts⁼", "an"),
}
#: After these an i is no vowel of its own but the consonant held on.
HELD = ("zh", "ch", "sh", "r", "z", "c", "s")
#: After these a u is ü, which we write as v.
FRONT = ("j", "q", "x")
LIPS = ("b", "p", "m", "f")


def phones(syllable: str) -> list[str]:
    """The phonemes of `syllable`, such as "chang2", the tone on the last; none if it is no such."""
    letters, tone = syllable[:-1].replace("ü", "v"), TONES.get(syllable[-1], "")
    if letters in ODD:
        return [ODD[letters][0], ODD[letters][1] + tone]
    initial = _initial(letters)
    final = ALONE.get(letters, letters.removeprefix(initial))
    if initial in HELD and final == "i":
        return [INITIALS[initial] + (f"ɹ{tone}" if tone else "")]
    if initial in LIPS and final == "o":
        return [f"{INITIALS[initial]}wo{tone}"]
    if initial in FRONT or final == "ue":
        final = final.replace("u", "v", 1) if final.startswith("u") else final
    if final not in FINALS:
        return []
    onset = [INITIALS[initial]] if initial else []
    return [*onset, FINALS[final] + tone]


def _initial(letters: str) -> str:
    if letters in ALONE:
        return ""
    return next((initial for initial in INITIALS if letters.startswith(initial)), "")
