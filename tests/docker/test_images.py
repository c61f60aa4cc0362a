"""The images, as far as they can be tried without a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.models.registry import CATALOG
from server.setting_sources import load
from server.settings import Settings, names_of
from tests.docker.dockerfiles import FILES, ROOT, defaults, instructions, stages
from tests.process import environment

FOLDER = ROOT / "docker"

ENTRYPOINT = ["python", "-m", "server", "--host", "0.0.0.0"]

#: Settings of other programs that an image makes.
OTHERS = {
    *("PATH", "PIP_DISABLE_PIP_VERSION_CHECK", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    *("HF_HOME", "HF_HUB_OFFLINE", "TORCH_HOME", "TRITON_CACHE_DIR", "XDG_CACHE_HOME"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
}

OURS = {name for field in Settings.model_fields.values() for name in names_of(field)}

SERVERS = [file for file in FILES if file.name != "Dockerfile.models"]

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)

every_server = pytest.mark.parametrize("file", SERVERS, ids=lambda file: file.name)


def need_git() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")


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
    assert all("pip" not in run.text for run in last.all("RUN"))
    installs = [run.text for run in last.all("RUN") if "apt-get install" in run.text]
    assert bool(installs) == (file.name == "Dockerfile.cuda")  # Triton needs a compiler there
    assert all("gcc libc6-dev" in text for text in installs)
    assert any("pip install" in run.text for run in build.all("RUN"))
    for run in (run for run in build.all("RUN") if "pip install" in run.text):
        assert run.options["mount"] == "type=cache,target=/root/.cache/pip"
    written = {f"/app/{getattr(Settings(), name)}" for name in ("output_dir", "log_dir")}
    assert {*written, "/app/cache"} == set(last.last("VOLUME").words)
    assert last.last("EXPOSE").text == str(Settings().port)
    assert last.last("HEALTHCHECK").text == 'CMD ["python", "healthcheck.py"]'
    assert last.last("STOPSIGNAL").text == "SIGTERM"


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
