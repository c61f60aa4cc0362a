"""Where a benchmark ran, and a server process to run it against."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
#: Reading gigabytes of weights is slow on some disks.
START_SECONDS = 120


def describe(*more: str) -> str:
    """The conditions of a run, on one line; `more` are packages that matter to it."""
    packages = versions("uvicorn", "uvloop", "fastapi", "numpy", *more)
    python = platform.python_version()
    return f"{processor()}, {os.cpu_count()} cores; Python {python}, {packages}"


def versions(*names: str) -> str:
    """Of those packages that are installed."""
    return ", ".join(f"{name} {version(name)}" for name in names if find_spec(name) is not None)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class ServerProcess:
    """A running server under measurement."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._process = psutil.Process(pid)

    def cpu_seconds(self) -> float:
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def memory_bytes(self) -> int:
        return int(self._process.memory_info().rss)


@contextmanager
def serving(model: str, slots: int, **more: str) -> Iterator[ServerProcess]:
    """`python -m server` on a free port, quiet, with `slots` slots; ended at the end.

    `more` are settings by their environment names.
    """
    port = _free_port()
    settings = {
        "EXTRA_MODELS": "sleeping=benchmarks.sleeping:Sleeping",
        "DEFAULT_MODEL": model,
        "MAX_BATCH": str(slots),
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "server", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings})
        try:
            _wait_until_ready(port, process)
            yield ServerProcess(port, process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")
