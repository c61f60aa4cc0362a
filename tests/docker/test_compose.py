"""docker-compose.yml and render.yaml, against the published schema and against the code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.models.registry import CATALOG
from server.setting_sources import load
from server.settings import Settings, names_of
from tests.docker.dockerfiles import FOLDER, ROOT, stages

FILE = FOLDER / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text("utf-8"))
RENDER = yaml.safe_load((ROOT / "render.yaml").read_text("utf-8"))["services"][0]
SERVERS = {name: COMPOSE["services"][name] for name in ("cpu", "gpu")}
VARIABLES = {name for field in Settings.model_fields.values() for name in names_of(field)}

each_server = pytest.mark.parametrize("service", SERVERS.values(), ids=SERVERS)


def test_it_is_of_the_published_schema() -> None:
    checker = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    if checker is None:
        pytest.skip("check-jsonschema is not installed")
    command = [checker, "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_profiles() -> None:
    profiles = {name: service["profiles"] for name, service in COMPOSE["services"].items()}
    watching = ["observability"]
    servers = {"cpu": ["cpu"], "gpu": ["gpu"]}
    assert profiles == {**servers, "prometheus": watching, "grafana": watching}


@each_server
def test_a_server_is_built_by_a_file_that_is_there(service: dict[str, Any]) -> None:
    assert (FOLDER / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["image"].startswith("continuo:")


@each_server
def test_a_server_is_commanded_as_the_code_has_it(service: dict[str, Any]) -> None:
    flag, model = service["command"]
    assert flag == "--music_model_name"
    variable, default = model.removeprefix("${").removesuffix("}").split(":-")
    assert variable in VARIABLES
    assert default in CATALOG
    settings = load([flag, default], service["environment"], Path("no.env"))
    assert service["ports"] == [f"{settings.port}:{settings.port}"]
    assert service["stop_grace_period"] == "60s"
    assert settings.drain_seconds < 60


@each_server
def test_a_server_is_left_running_and_locked_in(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_server
def test_what_a_server_writes_is_on_volumes_that_the_image_has(service: dict[str, Any]) -> None:
    volumes = dict(volume.split(":") for volume in service["volumes"])
    assert set(volumes) <= set(COMPOSE["volumes"])
    image = stages(ROOT / service["build"]["dockerfile"])[-1]
    assert set(volumes.values()) == set(image.last("VOLUME").words)


def test_only_the_large_one_reserves_a_gpu() -> None:
    (device,) = SERVERS["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert "deploy" not in SERVERS["cpu"]


def test_what_is_mounted_is_there() -> None:
    for service in ("prometheus", "grafana"):
        for volume in COMPOSE["services"][service]["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).is_dir(), source
        for port in COMPOSE["services"][service]["ports"]:
            assert port.startswith("127.0.0.1:")


def test_prometheus_is_given_the_key_where_it_looks_for_it() -> None:
    scraping = yaml.safe_load((FOLDER / "prometheus/prometheus.yml").read_text("utf-8"))
    (job,) = scraping["scrape_configs"]
    (given,) = COMPOSE["services"]["prometheus"]["configs"]
    assert job["authorization"]["credentials_file"] == given["target"]
    assert given["source"] in COMPOSE["configs"]
    aliases = SERVERS["gpu"]["networks"]["default"]["aliases"]
    assert job["static_configs"][0]["targets"] == [f"{aliases[0]}:5555"]
    assert job.get("metrics_path", "/metrics") == "/metrics"


def test_no_value_of_a_secret_stands_in_a_file() -> None:
    for file in (FILE, ROOT / "render.yaml"):
        for line in file.read_text("utf-8").splitlines():
            if "KEY" in line and not line.lstrip().startswith("#"):
                assert line.strip().removeprefix("- ") in {
                    *("key: API_KEYS", "key: ADMIN_KEYS", "content: ${METRICS_KEY:-}")
                }


def test_render_builds_and_watches_the_small_image() -> None:
    assert (RENDER["type"], RENDER["runtime"]) == ("web", "docker")
    assert (ROOT / RENDER["dockerfilePath"]).is_file()
    assert (ROOT / RENDER["dockerContext"]).resolve() == ROOT
    assert RENDER["healthCheckPath"] == "/health"
    assert Settings().drain_seconds < RENDER["maxShutdownDelaySeconds"] <= 300
    for variable in RENDER["envVars"]:
        assert variable["key"] in VARIABLES
        assert variable["sync"] is False
        assert "value" not in variable
    assert load(["--host", "0.0.0.0"], {"PORT": "10000"}, Path("no.env")).port == 10_000
