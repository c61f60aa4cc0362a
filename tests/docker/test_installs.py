"""What the images install, found and run without a Docker engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docker.dockerfiles import ROOT, Instruction, defaults, stages
from tests.docker.test_images import ENTRYPOINT, FOLDER, need_git
from tests.live import until
from tests.process import ADDRESS, environment
from tests.soak import LONG

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGE = ("Dockerfile.audiocraft", "Dockerfile.cuda")


@lru_cache(maxsize=1)
def reaches_the_package_index() -> bool:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        os.devnull,
    ]
    done = subprocess.run([*command, "aiosqlite==0"], capture_output=True, text=True, check=False)
    return "from versions: 0" in done.stderr


def need_the_package_index() -> None:
    if not reaches_the_package_index():
        pytest.skip("pip reaches no package index")


def resolved(command: str) -> str:
    """What pip says against the command of an image, which it resolves without installing."""
    dry = f"{sys.executable} -m pip install --dry-run --ignore-installed --quiet"
    line = command.replace("pip install", dry)
    done = subprocess.run(
        ["bash", "-ec", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr


def pip_installs(name: str) -> list[str]:
    """The commands that fetch packages."""
    file = FOLDER / name
    extras = defaults(file)["EXTRAS"]
    commands = [run.text.replace("${EXTRAS}", extras) for run in stages(file)[0].all("RUN")]
    return [c for c in commands if "pip install" in c and "--force-reinstall" not in c]


@pytest.mark.parametrize("name", ["Dockerfile", *LARGE])
def test_every_package_is_pinned_once_and_as_it_is_asked_for(name: str) -> None:
    files = {file for text in pip_installs(name) for file in re.findall(r"-[cr] (\S+)", text)}
    pins = [Requirement(line) for file in files for line in lines_of(ROOT / file)]
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    versions: dict[str, set[str]] = {}
    for pin in pins:
        (only,) = pin.specifier
        assert only.operator == "==", pin
        versions.setdefault(canonicalize_name(pin.name), set()).add(only.version)
    assert not {package: found for package, found in versions.items() if len(found) > 1}
    for wanted in asked_for(defaults(FOLDER / name)["EXTRAS"].split(",")):
        (version,) = versions[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), wanted


def lines_of(file: Path) -> list[str]:
    lines = file.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def asked_for(extras: list[str]) -> list[Requirement]:
    """What pyproject.toml asks for, with these of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [project["dependencies"], *(project["optional-dependencies"][e] for e in extras)]
    return [Requirement(line) for lines in wanted for line in lines]


@LONG
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LARGE)
def test_pip_finds_what_a_large_image_installs(name: str) -> None:
    """Not installed, for that has gigabytes; the small image is, below."""
    need_the_package_index()
    for command in pip_installs(name):
        assert resolved(command) == ""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What git has of the repository, in a folder of its own."""
    need_git()
    folder = tmp_path / "context"
    folder.mkdir()
    subprocess.run(["bash", "-ec", f"git archive HEAD | tar -x -C {folder}"], cwd=ROOT, check=True)
    return folder


def test_the_small_image_serves_what_it_copies(tmp_path: Path, context: Path) -> None:
    """Its own instructions, but for packages: those that are installed here."""
    build, last = stages(FOLDER / "Dockerfile")
    source, app = tmp_path / "src", tmp_path / "app"
    for instruction in build.all("COPY"):
        copy(instruction, context, source)
    copy(last.all("COPY")[-1], context, app)
    serve(sys.executable, app, PYTHONPATH=str(source))


@LONG
@pytest.mark.timeout(300)
def test_the_small_image_installs_and_serves(tmp_path: Path, context: Path) -> None:
    """Its own instructions, run in a folder where the image's root would be."""
    need_the_package_index()
    build, last = stages(FOLDER / "Dockerfile")
    source, app, venv = (tmp_path / name for name in ("src", "app", "venv"))
    variables = {
        "PATH": f"{venv}/bin:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "PIP_NO_COMPILE": "1",  # for this one start it would only take time
        **defaults(FOLDER / "Dockerfile"),
    }
    source.mkdir()
    for instruction in build.instructions:
        if instruction.name == "COPY":
            copy(instruction, context, source)
        elif instruction.name == "RUN" and "apt-get" not in instruction.text:
            text = instruction.text.replace("/opt/continuo", str(venv))
            text = text.replace("python -m venv", f"{sys.executable} -m venv")
            subprocess.run(["bash", "-ec", text], cwd=source, env=variables, check=True)
    copy(last.all("COPY")[-1], context, app)
    shutil.rmtree(source)
    assert not list(venv.glob("lib/python*/site-packages/torch"))
    serve(str(venv / "bin" / "python"), app)


def copy(instruction: Instruction, context: Path, target: Path) -> None:
    """COPY, with the working directory or /app at `target`."""
    *sources, destination = instruction.words
    place = target / destination.removeprefix("/app/")
    for source in (context / name for name in sources):
        into = place / source.name if destination.endswith("/") or len(sources) > 1 else place
        into.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True)
        else:
            shutil.copy(source, into)


def serve(python: str, app: Path, **variables: str) -> None:
    """The image's command serves from there, and the health check finds it."""
    log = app / "terminal.log"
    ours = {k: v for k, v in environment().items() if k not in ("PYTHONPATH", "EXTRA_MODELS")}
    settings = {**ours, **variables}
    command = [python, *ENTRYPOINT[1:], "--host", "127.0.0.1", "--port", "0"]
    with log.open("wb") as sink:
        server = subprocess.Popen(command, cwd=app, env=settings, stdout=sink, stderr=sink)
    try:
        until(lambda: bool(ADDRESS.search(log.read_text())), within_seconds=30)
        port = ADDRESS.search(log.read_text())[1]  # type: ignore[index]
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200, 30)
        body = {"model": "sketch", "prompt": "lofi", "duration": 2}
        sound = httpx.post(f"http://127.0.0.1:{port}/generate", json=body, timeout=60)
        assert (sound.status_code, sound.content[:4]) == (200, b"RIFF")
        assert "Continuo" in httpx.get(f"http://127.0.0.1:{port}/").text
        check = [python, "healthcheck.py"]
        for port_of_it, exit_code in ((port, 0), ("9", 1)):
            asked = subprocess.run(
                check,
                cwd=app,
                env={**settings, "PORT": port_of_it},
                capture_output=True,
                check=False,
            )
            assert asked.returncode == exit_code
    finally:
        server.terminate()
        assert server.wait(30) == 0
