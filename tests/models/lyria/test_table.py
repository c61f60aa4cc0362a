"""The table of faults in docs/models.md names the tests that prove it, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent.parent / "docs/models.md"


def rows() -> list[str]:
    table = PAGE.read_text("utf-8").split("| case | behaviour | tests |\n|---|---|---|\n")[1]
    return table.split("\n\n")[0].splitlines()


def proofs() -> set[str]:
    trees = [ast.parse(file.read_text("utf-8")) for file in HERE.glob("test_*.py")]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {f.name for tree in trees for f in tree.body if isinstance(f, functions)}


def test_every_row_names_tests_that_there_are() -> None:
    assert len(rows()) >= 12
    for row in rows():
        named = re.findall(r"`(test_\w+)`", row.split("|")[3])
        assert named, row
        assert set(named) <= proofs(), row
