"""What `python -m server doctor --lyria` finds out about keys."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from server.models.lyria.trial import try_keys
from tests.models.lyria.fake_google import FakeGoogle, opens_then, refuses
from tests.models.lyria.faulty_google import is_silent
from tests.models.lyria.models import upstream
from tests.process import environment


async def test_each_key_is_tried_for_real(google: FakeGoogle) -> None:
    google.behave("bad", refuses(400, "API key not valid: bad"))
    google.behave("mute", opens_then(is_silent))
    keys = ("good", "bad", "süß", "mute")
    good, bad, unsendable, mute = await try_keys(upstream(*keys, first_sound_seconds=2.0))
    assert good.works
    assert re.fullmatch(r"sound after \d+\.\d s", good.words)
    assert (bad.works, bad.key) == (False, "GENAI_API_KEY_2")
    assert bad.words == "a key was not accepted: API key not valid: [key] (400)"
    assert (unsendable.works, unsendable.words) == (False, "it has characters that no key has")
    assert (mute.works, mute.words) == (False, "the service failed: no sound for 2 s")
    assert sorted(google.keys_used()) == ["bad", "good", "mute"]
    assert all(session.closed_at is not None for session in google.sessions)


async def test_without_keys_there_is_nothing_to_try() -> None:
    assert await try_keys(upstream()) == []


def doctor(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "doctor", "--lyria"]
    known = environment(API_PORT="0", **settings)
    return subprocess.run(
        command, cwd=folder, env=known, capture_output=True, text=True, timeout=60
    )


def test_the_doctor_tries_every_key(google: FakeGoogle, tmp_path: Path) -> None:
    google.behave("CANARY-bad", refuses(400, "API key not valid: CANARY-bad"))
    keys = {"GENAI_API_KEY_1": "CANARY-good", "GENAI_API_KEY_3": "CANARY-bad"}
    done = doctor(tmp_path, **keys, **google.environment)
    assert done.returncode == 1
    assert re.search(r"ok +GENAI_API_KEY_1: sound after \d", done.stdout)
    assert "FAULT GENAI_API_KEY_3: a key was not accepted: API key not valid" in done.stdout
    assert "CANARY" not in done.stdout + done.stderr


def test_the_doctor_says_what_to_do_without_a_key(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "no key of Google's API is set" in done.stdout
    assert "Set GENAI_API_KEY_1" in done.stdout
