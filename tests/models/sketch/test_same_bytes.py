"""The bytes of some pieces, pinned: other versions of Python, NumPy and SciPy must agree.

Where the music was changed on purpose, `python -m tests.models.sketch.test_same_bytes` prints the
table anew.
"""

from __future__ import annotations

import hashlib
import platform

import pytest

from tests.models.sketch.pieces import as_int16, sound_of

SECONDS = 6
DIGESTS: dict[str, str] = {
    "lofi with rain": "00273fc4f56952136c58c574",
    "house": "5d084bde0c48b3b77e86c3ee",
    "jazz in F minor": "990b582dfde49664fa82e7a5",
    "metal": "9397861b5ade7c37c8e02e5b",
    "古风，二胡和古筝": "fefae725018a966e478f9ebe",
    "epic cinematic battle": "74e8d48f1c34e444e130f58d",
    "classical piano": "f6256bf87e3faaebfac79448",
    "drum and bass": "c60b0773e7074cd01adab56a",
    "funk with brass": "a70c0e40f63a7f9e4fcaf690",
    "ambient waves": "217f08e463a65c738097cf26",
}


def digest_of(prompt: str) -> str:
    return hashlib.sha256(as_int16(sound_of(prompt, SECONDS, 11))).hexdigest()[:24]


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="pinned where it was verified: other compilers may fuse additions and multiplications",
)
@pytest.mark.parametrize("prompt", DIGESTS)
def test_the_bytes_are_those_of_every_other_version(prompt: str) -> None:
    assert digest_of(prompt) == DIGESTS[prompt]


if __name__ == "__main__":
    for prompt in DIGESTS:
        print(f'    "{prompt}": "{digest_of(prompt)}",')
