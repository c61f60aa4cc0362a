"""What `python -m server doctor --lyria` finds out about keys."""

from __future__ import annotations

import re

from server.models.lyria.trial import try_keys
from tests.models.lyria.fake_google import FakeGoogle, opens_then, refuses
from tests.models.lyria.models import upstream
from tests.models.lyria.test_faults import is_silent

PATIENCE = {"first_sound_seconds": 2.0}


async def test_each_key_is_tried_for_real(google: FakeGoogle) -> None:
    google.behave("bad", refuses(400, "API key not valid: bad"))
    google.behave("mute", opens_then(is_silent))
    good, bad, unsendable, mute = await try_keys(upstream("good", "bad", "süß", "mute", **PATIENCE))
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
