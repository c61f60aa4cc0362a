"""The shipped command, `python -m server`, as a real process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.live import FAKES

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")


def environment(**changes: str) -> dict[str, str]:
    """The test's own, less every setting of the server that a developer may have set."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "PYTHONPATH": str(ROOT), "EXTRA_MODELS": ",".join(FAKES), **changes}


class Process:
    """A running server; what it wrote is in `log`."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.popen = popen
        self._log = log
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def exit_code(self, within_seconds: float = 15) -> int:
        return self.popen.wait(within_seconds)

    def wait_until_listening(self) -> None:
        self._wait(lambda: bool(self.port))

    def wait_until_ready(self) -> None:
        self._wait(lambda: self.port and httpx.get(self.url + "/ready").status_code == 200)

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.popen.poll() is None, self.log
            if found := ADDRESS.search(self.log):
                self.port = int(found[1])
            if holds():
                return
            time.sleep(0.05)
        raise AssertionError(f"not ready in time: {self.log}")


@contextmanager
def running(folder: Path, *flags: str, wait: bool = True, **settings: str) -> Iterator[Process]:
    """A server in `folder` on a free port, with the fake models; killed at the end if need be."""
    log = folder / "terminal.log"
    command = [sys.executable, "-m", "server", "--port", "0", *flags]
    with log.open("wb") as sink:
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**{"DEFAULT_MODEL": "ticking", **settings}),
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    process = Process(popen, log)
    try:
        if wait:
            process.wait_until_ready()
        yield process
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait(10)
