"""Documents that cannot lie: settings, routes, events, metrics and files are checked."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from server.app import create_app
from server.controllers.diffrhythm_bodies import (
    EditSong,
    SongHealth,
    SongQueued,
    SongStatus,
    TaskDeleted,
)
from server.controllers.direct_wav import Generate
from server.controllers.lyria_bodies import KeyStats, LyriaRequest, LyriaStarted, LyriaStatus
from server.controllers.musicgen_events import EVENTS
from server.controllers.musicgen_sse import GenerateMusic
from server.controllers.musicgen_websocket import RefusalEvent
from server.metrics import Metrics
from server.models.registry import CATALOG
from server.settings import Settings, default_text, names_of

ROOT = Path(__file__).parent.parent
API = (ROOT / "docs/api.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "clients/README.md"]
FIELDS = Settings.model_fields.items()


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_setting_is_documented(name: str, field) -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    for variable in names_of(field):
        assert f"`{variable}`" in OPERATIONS
        assert re.search(rf"^# .*\b{variable}\b|^#?{variable}=", example, re.MULTILINE), variable
    assert f"| {default_text(field)} |" in line_with(OPERATIONS, f"`{names_of(field)[0]}`")


def test_the_example_environment_holds_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    given = dotenv_values(
        stream=io.StringIO(re.sub(r"^#(?=[A-Z_]+=)", "", text, flags=re.MULTILINE))
    )
    known = {name: field for _, field in FIELDS for name in names_of(field)}
    for name, value in given.items():
        assert name in known
        assert value in ("", default_text(known[name])), name


@pytest.mark.parametrize("name", sorted(Metrics().registry._names_to_collectors))
def test_every_metric_is_documented(name: str) -> None:
    base = re.sub(r"_(created|bucket|count|sum)$", "", name)
    assert f"`{base}`" in OPERATIONS or f"`{base}_total`" in OPERATIONS


def test_every_route_is_documented() -> None:
    for path in create_app(Settings()).openapi()["paths"]:
        assert path in API, path


def test_every_event_key_and_field_is_documented() -> None:
    answers = (LyriaStarted, LyriaStatus, KeyStats, SongQueued, SongStatus, TaskDeleted, SongHealth)
    for event in (*EVENTS, RefusalEvent, *answers):
        for key in event.model_fields.keys() - {"event"}:
            assert re.search(rf"[`\"]{key}[`\"]", API), f"{event.__name__}.{key}"
    for body in (GenerateMusic, Generate, LyriaRequest, EditSong):
        for field in body.model_fields:
            assert f"`{field}`" in API, field


def test_every_model_is_documented() -> None:
    text = (ROOT / "docs/models.md").read_text("utf-8")
    for name in CATALOG:
        assert f"`{name}`" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_links_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    for name in re.findall(r"`((?:server|clients|tests|benchmarks|docs)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name


def test_the_life_of_a_request_is_ten_lines_that_name_files() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    steps = re.split(
        r"^\d+\. ", text.split("## The life of a request")[1].split("##")[0], flags=re.M
    )
    assert len(steps) == 11
    assert all(re.search(r"server/[\w/]+\.py", step) for step in steps[1:])


def line_with(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in line and line.startswith("|"))
