"""The command line: `python -m server --host 0.0.0.0 --port 5555 --music_model_name NAME`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from server.serving import run
from server.settings import WrongSetting, load

EXIT_WRONG_SETTING = 2


def main() -> int:
    """Read the settings and serve; a wrong one ends the start with one line."""
    try:
        return run(load(sys.argv[1:], os.environ, Path(".env")))
    except WrongSetting as error:
        sys.stderr.write(f"continuo: {error}\n")
        return EXIT_WRONG_SETTING


if __name__ == "__main__":
    sys.exit(main())
