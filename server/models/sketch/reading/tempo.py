"""Reads tempi: `120 bpm`, `90-100 bpm`, `tempo: 96`, `每分钟120拍`, `♩=72`."""

from __future__ import annotations

import re

SLOWEST_BPM, FASTEST_BPM = 40, 240

_NUMBER = r"(?P<first>\d{2,3}(?:\.\d+)?)(?:\s*(?:-|~|–|to|至|到)\s*(?P<second>\d{2,3}(?:\.\d+)?))?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?<![\d.]){_NUMBER}\s*-?\s*(?:bpm|b\.p\.m|beats?\s+(?:per|a)\s+minute)",
        rf"(?:bpm|tempo|速度)\s*(?:of|is|at|around|about|约|为|是)?\s*[:=：]?\s*{_NUMBER}(?!\d)",
        rf"每分钟\s*{_NUMBER}\s*拍",
        rf"(?<![\d.]){_NUMBER}\s*拍",
        rf"[♩♪]\s*=\s*{_NUMBER}",
    )
)


def named_bpm(text: str) -> int | None:
    """The tempo that `text` states (the middle of a range), None where it states none."""
    for form in _FORMS:
        match = form.search(text)
        if match:
            first = float(match["first"])
            return playable((first + float(match["second"] or first)) / 2.0)
    return None


def playable(bpm: float) -> int:
    """`bpm` rounded, by octaves into `SLOWEST_BPM` to `FASTEST_BPM`."""
    while bpm > FASTEST_BPM:
        bpm /= 2.0
    while 0.0 < bpm < SLOWEST_BPM:
        bpm *= 2.0
    return round(bpm)
