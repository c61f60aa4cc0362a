"""The doctor as a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.models.lyria.fake_google import fake_google, refuses
from tests.process import environment


def doctor(folder: Path, *flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "doctor", *flags]
    known = environment(**settings)
    return subprocess.run(
        command, cwd=folder, env=known, capture_output=True, text=True, timeout=60
    )


def test_it_tries_every_key_of_lyria(tmp_path: Path) -> None:
    with fake_google(tmp_path) as google:
        google.behave("CANARY-bad", refuses(400, "API key not valid: CANARY-bad"))
        keys = {"GENAI_API_KEY_1": "CANARY-good", "GENAI_API_KEY_3": "CANARY-bad"}
        done = doctor(tmp_path, "--lyria", **keys, **google.environment)
    assert done.returncode == 1
    good, bad = done.stdout.splitlines()
    assert good.startswith("ok    GENAI_API_KEY_1: sound after ")
    assert bad.startswith("FAULT GENAI_API_KEY_3: a key was not accepted: API key not valid")
    assert "CANARY" not in done.stdout + done.stderr


def test_without_a_key_it_says_what_to_do(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--lyria")
    assert done.returncode == 1
    assert "no key of Google's API is set. Set GENAI_API_KEY_1" in done.stdout


def test_it_must_know_what_to_try(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert (done.returncode, done.stderr) == (2, "continuo: doctor: say what to try: --lyria\n")
