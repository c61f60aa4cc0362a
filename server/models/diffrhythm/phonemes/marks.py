"""Punctuation that is kept, since it is sung as a pause or a tone."""

from __future__ import annotations

import re

MARKS = ",.?!;:'…"
#: A mark with the space around it; the mark is group 1.
SPACED_MARK = re.compile(rf"\s*([{MARKS}])\s*")
#: Other forms of them, also the Chinese ones.
FORMS = {
    "，": ",",
    "。": ".",
    "！": "!",
    "？": "?",
    "；": ";",
    "：": ":",
    "、": ",",
    "‘": "'",
    "’": "'",
    "⋯": "…",
    "···": "…",
    "・・・": "…",
    "...": "…",
}


def plain_marks(text: str) -> str:
    """`text` with each mark in the form that is in `MARKS`."""
    for form, mark in FORMS.items():
        text = text.replace(form, mark)
    return text
