"""What the log never shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process import ROOT

LOGGING = """
import logging, sys
from pathlib import Path
from loguru import logger
from server import logs

logs.configure("TRACE", sys.argv[1], Path("log"))
logs.hide("CANARY")
logger.info("with {}", "CANARY")
logging.getLogger("some.library").debug("> x-api-key: %s", "CANARY")
try:
    raise ValueError("no such key: CANARY") from KeyError("CANARY")
except ValueError as error:
    logger.opt(exception=error).error("it failed")
    logging.getLogger("some.library").exception("it failed there")
try:
    raise ValueError("harmless")
except ValueError:
    logger.exception("it failed too")
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_hidden_text_is_in_no_line_and_no_traceback(tmp_path: Path, log_format: str) -> None:
    command = [sys.executable, "-c", LOGGING, log_format]
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "log").iterdir()
    for text in (done.stderr, file.read_text("utf-8")):
        assert "CANARY" not in text
        assert "with [hidden]" in text
        assert "> x-api-key: [hidden]" in text
        assert text.count("ValueError: no such key: [hidden]") == 2
        assert "ValueError: harmless" in text
