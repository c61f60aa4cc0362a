"""Finds the browser that the tests drive, or gets it where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: A page as a user has it: no sound before a click, nothing fetched behind one's back.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=user-gesture-required",
)
INSTALL_SECONDS = 240


def find() -> str | None:
    """The path of a Chromium; where there is none and we are root, it is installed by apt-get."""
    return _installed() or _install()


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _install() -> str | None:
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = "apt-get update && apt-get install -y --no-install-recommends chromium"
    try:
        subprocess.run(
            ["sh", "-c", install],
            env=environment,
            timeout=INSTALL_SECONDS,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    return _installed()
