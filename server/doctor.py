"""`python -m server doctor --lyria`: tries the keys of Google's API for real.

It takes the flags of the server and reads the same environment. Exit code 1: a key does not work.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.app import create_service
from server.models.lyria.trial import try_keys
from server.settings import WrongSetting, load

EXIT_FAULT = 1
LYRIA = "--lyria"


def doctor(argv: Sequence[str], environment: Mapping[str, str], env_file: Path) -> int:
    """Print the report; 1 if there is a fault. Raises `WrongSetting`."""
    if LYRIA not in argv:
        raise WrongSetting(f"doctor: say what to try: {LYRIA}")
    settings = load([flag for flag in argv if flag != LYRIA], environment, env_file)
    upstream = create_service(settings).registry.options.upstream
    if lacking := upstream.keys.lacking:
        return _say(f"FAULT {lacking}", EXIT_FAULT)
    trials = asyncio.run(try_keys(upstream))
    lines = [f"{'ok' if each.works else 'FAULT':<5} {each.key}: {each.words}" for each in trials]
    return _say("\n".join(lines), 0 if all(each.works for each in trials) else EXIT_FAULT)


def _say(report: str, exit_code: int) -> int:
    sys.stdout.write(f"{report}\n")
    return exit_code
