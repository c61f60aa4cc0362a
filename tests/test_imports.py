"""Imports point one way: controllers → service → models, with leaf words that all may use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "server"
LEAVES = {
    f"server.{word}" for word in ("generation", "events", "errors", "metrics", "logs", "tracing")
}
#: Part of the server → the parts it may import, besides the leaves and itself.
MAY_IMPORT = {
    "audio": set(),
    "models": {"audio"},
    "stores": {"audio"},
    "service": {"models", "stores", "audio"},
    "controllers": {"service", "models", "stores", "audio"},
}
#: In models, HTTP is nobody's business; in the service and below, no torch at import.
FORBIDDEN = {
    "audio": {"fastapi", "starlette", "uvicorn", "sse_starlette", "torch"},
    "models": {"fastapi", "starlette", "uvicorn", "sse_starlette"},
    "stores": {"fastapi", "starlette", "uvicorn", "sse_starlette", "torch"},
    "service": {"fastapi", "starlette", "uvicorn", "sse_starlette", "torch"},
    "controllers": {"torch"},
}
FILES = sorted(ROOT.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """The modules a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_one_way(file: Path) -> None:
    inside = file.relative_to(ROOT).parts
    if len(inside) == 1:
        check_leaf(file)
        return
    part = inside[0]
    for name in imported(file):
        top = name.split(".")[0]
        assert top not in FORBIDDEN.get(part, set()), f"{part} must not import {name}"
        if top == "server" and name != "server" and name not in LEAVES:
            target = name.split(".")[1]
            assert target == part or target in MAY_IMPORT[part], f"{part} must not import {name}"


def check_leaf(file: Path) -> None:
    """The leaf words import nothing of ours above them."""
    if f"server.{file.stem}" in LEAVES:
        ours = {name for name in imported(file) if name.startswith("server.")}
        assert ours <= LEAVES, f"{file.name} imports {ours - LEAVES}"


def test_controllers_do_not_reach_into_a_model() -> None:
    """They may name what a model declares, never a model."""
    for file in (ROOT / "controllers").rglob("*.py"):
        models = {name for name in imported(file) if name.startswith("server.models.")}
        declared = {"server.models.base", "server.models.registry", "server.models.key_pool"}
        assert models <= declared, file


def test_the_clients_do_not_import_the_server() -> None:
    for file in (ROOT.parent / "clients").rglob("*.py"):
        assert not {name for name in imported(file) if name.split(".")[0] == "server"}, file


def test_the_server_is_wired_without_what_is_heavy() -> None:
    code = (
        "import sys; from server.app import create_service; from server.settings import Settings; "
        "create_service(Settings(genai_api_keys=('a-key',))); "
        "assert not {'torch', 'transformers', 'google.genai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent, timeout=60)
