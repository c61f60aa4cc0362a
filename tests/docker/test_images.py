"""The images, as far as they can be tried without a Docker engine."""

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

from server.models.registry import CATALOG
from server.setting_sources import load
from server.settings import Settings, names_of
from tests.docker.dockerfiles import FILES, ROOT, Instruction, defaults, instructions, stages
from tests.live import until
from tests.process import ADDRESS, environment

FOLDER = ROOT / "docker"
ENTRYPOINT = ["python", "-m", "server", "--host", "0.0.0.0"]
#: Settings of other programs that an image makes.
OTHERS = {
    *("PATH", "PIP_DISABLE_PIP_VERSION_CHECK", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    *("HF_HOME", "HF_HUB_OFFLINE", "TORCH_HOME", "XDG_CACHE_HOME"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
}
OURS = {name for field in Settings.model_fields.values() for name in names_of(field)}
SERVERS = [file for file in FILES if file.name != "Dockerfile.models"]

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
every_server = pytest.mark.parametrize("file", SERVERS, ids=lambda file: file.name)


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


def need_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")


def need_the_package_index() -> None:
    if not reaches_the_package_index():
        pytest.skip("pip reaches no package index")


def test_there_are_four() -> None:
    names = ["Dockerfile", "Dockerfile.audiocraft", "Dockerfile.cuda", "Dockerfile.models"]
    assert [file.name for file in FILES] == names


@every_file
def test_a_linter_finds_nothing(file: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([linter, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@every_file
def test_what_is_copied_is_there_and_is_sent_to_the_builder(file: Path) -> None:
    need_git()
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    copies = [i for i in instructions(file) if i.name == "COPY" and "from" not in i.options]
    assert copies
    for source in (source for copy in copies for source in copy.words[:-1]):
        assert any(name == source or name.startswith(f"{source}/") for name in tracked), source
        assert f"!{source.split('/')[0]}" in ignored, source


@every_file
def test_bases_are_pinned(file: Path) -> None:
    arguments = defaults(file)
    for stage in stages(file):
        base = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], stage.base)
        assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm|continuo:cuda", base), base


@every_file
def test_every_variable_is_known(file: Path) -> None:
    for variable in (name for i in instructions(file) if i.name == "ENV" for name in i.variables):
        assert variable in OURS | OTHERS, variable
        assert not re.search("KEY|TOKEN|SECRET|PASSWORD", variable)


@every_file
def test_its_commands_are_ones_that_the_server_takes(file: Path) -> None:
    last = stages(file)[-1]
    flags = last.last("CMD").words if last.all("CMD") else []
    if file in SERVERS:
        assert last.last("ENTRYPOINT").words == ENTRYPOINT
    variables = {name: value for i in last.all("ENV") for name, value in i.variables.items()}
    settings = load([*ENTRYPOINT[3:], *flags], variables, Path("no.env"))
    assert settings.host == "0.0.0.0"
    assert settings.music_model_name in CATALOG


@every_server
def test_the_last_stage_is_small_and_not_roots(file: Path) -> None:
    build, last = stages(file)
    assert last.last("USER").text == "10001"
    assert not last.all("USER")[:-1]
    assert all("pip" not in run.text and "apt" not in run.text for run in last.all("RUN"))
    assert any("pip install" in run.text for run in build.all("RUN"))
    for run in (run for run in build.all("RUN") if "pip install" in run.text):
        assert run.options["mount"] == "type=cache,target=/root/.cache/pip"
    written = {f"/app/{getattr(Settings(), name)}" for name in ("output_dir", "log_dir")}
    assert {*written, "/app/cache"} == set(last.last("VOLUME").words)
    assert last.last("EXPOSE").text == str(Settings().port)
    assert last.last("HEALTHCHECK").text == 'CMD ["python", "healthcheck.py"]'
    assert last.last("STOPSIGNAL").text == "SIGTERM"


@lru_cache(maxsize=8)
def resolved(command: str) -> str:
    """What pip says against the command of an image, which it resolves without installing."""
    dry = f"{sys.executable} -m pip install --dry-run --ignore-installed --quiet"
    line = command.replace("pip install", dry)
    done = subprocess.run(
        ["bash", "-ec", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr


LONG = pytest.mark.skipif("CONTINUO_SOAK" not in os.environ, reason="a minute: `make soak` runs it")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [pytest.param("Dockerfile.cuda", marks=LONG), "Dockerfile.audiocraft"]
)
def test_pip_finds_what_a_large_image_installs(name: str) -> None:
    """Not installed, for that has gigabytes; the small image is, below."""
    need_the_package_index()
    file = FOLDER / name
    for run in stages(file)[0].all("RUN"):
        if "pip install" in run.text and "--force-reinstall" not in run.text:
            assert resolved(run.text.replace("${EXTRAS}", defaults(file)["EXTRAS"])) == ""


@pytest.mark.timeout(300)
def test_the_small_image_installs_and_serves(tmp_path: Path) -> None:
    """Its own instructions, run in a folder where the image's root would be."""
    need_git()
    need_the_package_index()
    build, last = stages(FOLDER / "Dockerfile")
    context, source, app = tmp_path / "context", tmp_path / "src", tmp_path / "app"
    for folder in (context, source, app):
        folder.mkdir()
    export = f"git archive HEAD | tar -x -C {context}"
    subprocess.run(["bash", "-ec", export], cwd=ROOT, check=True)
    venv = tmp_path / "venv"
    variables = {
        "PATH": f"{venv}/bin:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "PIP_NO_COMPILE": "1",  # for this one start it would only take time
        **defaults(FOLDER / "Dockerfile"),
    }
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
    serve(venv, app)


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


def serve(venv: Path, app: Path) -> None:
    """The image's command serves from there, and the health check finds it."""
    python = str(venv / "bin" / "python")
    log = app / "terminal.log"
    settings = {k: v for k, v in environment().items() if k not in ("PYTHONPATH", "EXTRA_MODELS")}
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


def test_weights_are_fetched_by_names_that_there_are(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra musicgen")
    script = [sys.executable, str(FOLDER / "fetch_models.py")]
    offline = {**environment(), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}

    def fetch(*words: str) -> str:
        done = subprocess.run(
            [*script, *words],
            cwd=tmp_path,
            env=offline,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    assert "MODELS must be of: small, all, facebook/musicgen-small" in fetch("sketch")
    assert "got nothing" in fetch()
    assert "the weights of facebook/musicgen-small are neither" in fetch("small")
    assert "the weights of facebook/musicgen-stereo-large are" in fetch("musicgen-large-stereo")
