"""Fetches weights into the Hugging Face cache, as the server would: for Dockerfile.models.

python fetch_models.py small
python fetch_models.py facebook/musicgen-medium facebook/musicgen-melody
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from server.errors import Unavailable
from server.models.checkpoints.places import Places
from server.models.registry import ALIASES, CATALOG

PUBLISHED = tuple(name for name in CATALOG if name.startswith("facebook/musicgen-"))
GROUPS = {"small": ("facebook/musicgen-small",), "all": PUBLISHED}


def main(wanted: Sequence[str]) -> str | None:
    """Fetch them; what went wrong, if anything."""
    names = [name for word in wanted for name in GROUPS.get(word, (ALIASES.get(word, word),))]
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown or not names:
        allowed = ", ".join((*GROUPS, *PUBLISHED))
        return f"MODELS must be of: {allowed}; got {' '.join(unknown) or 'nothing'}"
    places = Places(Path("models"), report=lambda activity: print(activity, flush=True))
    try:
        for name in names:
            print(name, "is in", places.find(name))
    except Unavailable as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
