from __future__ import annotations

import pytest

from server.service.pacing import Pacer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("server.service.pacing.time.monotonic", clock)
    return clock


def test_nothing_made_means_hold_everything_back(clock: Clock) -> None:
    pace = Pacer(30).pace()
    assert pace.realtime_factor is None
    assert pace.buffer_seconds == 30


@pytest.mark.parametrize("work_per_second", [0.1, 0.9, 1.0, 1.3, 2.0, 5.0])
@pytest.mark.parametrize("chunk_seconds", [0.16, 1.0, 2.5])
def test_holding_back_what_it_says_never_stalls(
    clock: Clock, work_per_second: float, chunk_seconds: float
) -> None:
    """Play a steadily made piece by the rule a client follows, and look for a dry moment."""
    duration = 30.0
    pacer = Pacer(duration)
    made = 0.0
    playing_since: float | None = None
    while made < duration:
        chunk = min(chunk_seconds, duration - made)
        clock.now += chunk * work_per_second
        if playing_since is not None:
            assert clock.now - playing_since <= made + 1e-2, "ran dry"
        made += chunk
        pacer.made(chunk)
        pace = pacer.pace()
        assert pace.realtime_factor == pytest.approx(work_per_second, rel=1e-3)
        if playing_since is None and made >= pace.buffer_seconds:
            playing_since = clock.now
    assert playing_since is not None


def test_progress_counts_where_sound_comes_only_at_the_end(clock: Clock) -> None:
    pacer = Pacer(100)
    clock.now += 5
    pacer.progressed(10)
    assert pacer.pace().realtime_factor == pytest.approx(0.5)
    assert pacer.pace().buffer_seconds == 100  # no sound yet: nothing says how it will come
