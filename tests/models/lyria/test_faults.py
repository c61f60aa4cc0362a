"""Faults before the music begins: rows of the table of faults in docs/models.md, with Google's own
client against a service that misbehaves."""

from __future__ import annotations

import time

import pytest

from server.errors import QuotaExhausted, Unavailable, UpstreamFailed
from tests.models.lyria.fake_google import (
    Behaviour,
    FakeGoogle,
    closes,
    opens_then,
    plays,
    refuses,
)
from tests.models.lyria.faulty_google import (
    LEAKED,
    NOT_VALID,
    QUOTA,
    aborts,
)
from tests.models.lyria.models import loaded, performed, pool, wish


async def test_without_a_key_it_is_unavailable() -> None:
    async with loaded() as model:
        known = model.info.availability
        assert known.reason == "no key of Google's API is set"
        assert "Set GENAI_API_KEY_1" in known.remedy
        with pytest.raises(Unavailable):
            model.check()


async def test_blank_repeated_and_missing_keys_are_skipped(google: FakeGoogle) -> None:
    async with loaded("", " key-a ", "key-a", "\t", "key-b") as model:
        assert [key.name for key in model.upstream.keys.keys] == [
            "GENAI_API_KEY_2",
            "GENAI_API_KEY_5",
        ]
        for _ in range(3):
            assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["key-a", "key-b", "key-a"]
        usage = model.upstream.keys.usage
        assert (usage.total_keys, usage.uses, usage.errors) == (2, {0: 2, 1: 1}, {0: 0, 1: 0})
        assert "key-a" not in repr(usage) + repr(model.upstream)


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, NOT_VALID),
        refuses(401, "Request is missing required authentication credential."),
        refuses(403, LEAKED),
        opens_then(closes(1007, NOT_VALID)),
        opens_then(closes(1008, LEAKED)),
    ],
)
async def test_a_key_that_is_invalid_is_disabled(google: FakeGoogle, refusal: Behaviour) -> None:
    google.behave("bad", refusal)
    async with loaded("bad", "good", retry_delay_seconds=30.0) as model:
        assert (await performed(model, wish(1))).error is None
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["bad", "good", "good"]
        assert model.upstream.keys.usage.num_usable == 1


async def test_when_no_key_is_valid_it_is_unavailable(google: FakeGoogle) -> None:
    google.behave("bad", refuses(400, NOT_VALID))
    async with loaded("bad") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, Unavailable)
        assert model.info.availability.reason == "Google's API accepts none of its 1 key(s)"


@pytest.mark.parametrize("key", ["schlüssel", "two words", "line\nbreak", "nul\0"])
async def test_a_key_that_cannot_be_sent_is_disabled(google: FakeGoogle, key: str) -> None:
    async with loaded(key, "good") as model:
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["good"]


async def test_a_key_that_may_not_do_this_is_left_for_the_next(google: FakeGoogle) -> None:
    google.behave("poor", refuses(403, "Permission denied: the model needs a paid plan"))
    async with loaded("poor", "good") as model:
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["poor", "good"]
        assert model.upstream.keys.usage.num_usable == 2


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(429, "Too many requests"),
        opens_then(closes(1011, QUOTA)),
        opens_then(closes(1008, "RESOURCE_EXHAUSTED")),
    ],
)
async def test_a_quota_lets_the_key_rest(google: FakeGoogle, refusal: Behaviour) -> None:
    google.behave("spent", refusal)
    async with loaded("spent", "good", retry_delay_seconds=30.0) as model:
        assert (await performed(model, wish(1))).error is None
        assert (await performed(model, wish(1))).error is None
        assert google.keys_used() == ["spent", "good", "good"]
        assert model.upstream.keys.usage.errors == {0: 1, 1: 0}


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(503, "The service is overloaded"),
        opens_then(closes(1011, "Internal error encountered.")),
        opens_then(aborts),
        opens_then(lambda session: session.send_text("no JSON")),
        opens_then(
            lambda session: session.send_text(
                '{"serverContent": {"audioChunks": [{"data": "?!", "mimeType": "audio/l16"}]}}'
            ),
        ),
        opens_then(lambda session: session.send_text("x" * 2**21)),
    ],
)
async def test_other_trouble_is_tried_again_then_with_the_next_key(
    google: FakeGoogle, trouble: Behaviour
) -> None:
    google.behave("ill", trouble)
    async with loaded("ill", "good", max_retries=2) as model:
        outcome = await performed(model, wish(1))
        assert outcome.error is None
        assert google.keys_used() == ["ill", "ill", "ill", "good"]
        assert model.upstream.keys.usage.errors == {0: 3, 1: 0}
        assert not outcome.warnings


async def test_a_retry_waits_as_long_as_was_set(google: FakeGoogle) -> None:
    google.behave("ill", refuses(503, "overloaded"), plays)
    async with loaded("ill", retry_delay_seconds=0.4) as model:
        begun = time.monotonic()
        assert (await performed(model, wish(1))).error is None
        assert time.monotonic() - begun >= 0.4


async def test_when_every_key_is_in_trouble_it_fails(google: FakeGoogle) -> None:
    google.behave("ill", refuses(503, "overloaded"))
    async with loaded("ill", max_retries=1) as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, UpstreamFailed)
        assert "overloaded (503)" in outcome.error.message


async def test_when_every_quota_is_used_up_it_says_when(google: FakeGoogle) -> None:
    for key in ("one", "two"):
        google.behave(key, refuses(429, QUOTA))
    async with loaded("one", "two") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, QuotaExhausted)
        assert outcome.error.status == 429
        assert 50 < (outcome.error.retry_after_seconds or 0) <= 60
        with pytest.raises(QuotaExhausted):
            model.check()


def test_a_key_rests_longer_each_time_and_comes_back() -> None:
    now = 0.0
    keys = pool("one")
    keys._clock = lambda: now
    for seconds in (60, 120, 240):
        for _ in range(5):  # requests that ran side by side
            keys.rest(keys.keys[0], "quota")
        now += seconds - 1
        with pytest.raises(QuotaExhausted, match="try again in 1 s"):
            keys.take()
        now += 1
        assert keys.take()


async def test_what_is_refused_is_not_tried_again(google: FakeGoogle) -> None:
    google.behave("one", opens_then(closes(1008, "models/lyria-realtime-exp is not found")))
    async with loaded("one", "two") as model:
        outcome = await performed(model, wish(1))
        assert isinstance(outcome.error, UpstreamFailed)
        assert google.keys_used() == ["one"]
