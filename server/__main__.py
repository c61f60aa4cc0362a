"""The command line: `python -m server --host 0.0.0.0 --port 5555 --music_model_name NAME`, and
`python -m server doctor` with the same flags."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loguru import logger

from server.doctor import doctor
from server.serving import run
from server.setting_sources import load
from server.settings import WrongSetting

EXIT_WRONG_SETTING = 2


def main() -> int:
    """Read the settings and serve, or look whether one could; a wrong one ends the start with one
    line."""
    if sys.argv[1:2] == ["doctor"]:
        logger.remove()  # the report says it
        return doctor(sys.argv[2:], os.environ, Path(".env"))
    try:
        return run(load(sys.argv[1:], os.environ, Path(".env")))
    except WrongSetting as error:
        sys.stderr.write(f"continuo: {error}\n")
        return EXIT_WRONG_SETTING


if __name__ == "__main__":
    sys.exit(main())
