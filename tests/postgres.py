"""A real PostgreSQL of the tests' own: Debian's packages, a temporary folder, a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

BINARIES = Path("/usr/lib/postgresql")


class Postgres:
    """A running server; each `database` is a new one."""

    def __init__(self, folder: Path, run) -> None:
        self._folder = folder
        self._run = run
        self._numbers = count(1)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"continuo_{next(self._numbers)}"
        self._run("createdb", "-h", str(self._folder), "-U", "continuo", name)
        return f"postgresql://continuo@/{name}?host={self._folder}"

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "cluster"), "-m", "immediate", "stop")

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        log = str(self._folder / "log")
        cluster = str(self._folder / "cluster")
        self._run("pg_ctl", "-D", cluster, "-o", options, "-l", log, "-w", "start")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Skips, with the reason, where there is none and none may be installed."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="continuo-postgres-"))
    user = _unprivileged(folder)

    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), *arguments]
        subprocess.run(
            command, user=user, cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL
        )

    try:
        cluster = str(folder / "cluster")
        run("initdb", "-D", cluster, "-U", "continuo", "-A", "trust", "--no-sync")
        server = Postgres(folder, run)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = _installed()
    if found is None and os.geteuid() == 0 and os.environ.get("CI"):
        packages = ["apt-get", "install", "-y", "-q", "postgresql"]
        subprocess.run(packages, check=False, timeout=300, stdout=subprocess.DEVNULL)
        found = _installed()
    if found is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    return found


def _installed() -> Path | None:
    versions = sorted(BINARIES.glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _unprivileged(folder: Path) -> str | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return user
