"""Details of what a server may answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from clients.answers import read_event, refusal, retry_after_seconds
from clients.errors import BadRequest, Busy, UnexpectedAnswer
from clients.events import Completed, Progress, Started


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("12", 12.0), ("", None), ("soon", None), ("-1", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": value}) == seconds


@pytest.mark.parametrize(("offset_seconds", "expected"), [(30, 30.0), (-30, 0.0)])
def test_retry_after_as_a_date(offset_seconds: int, expected: float) -> None:
    moment = datetime.now(timezone.utc) + timedelta(seconds=offset_seconds)
    seconds = retry_after_seconds({"Retry-After": format_datetime(moment, usegmt=True)})
    assert seconds == pytest.approx(expected, abs=2)


def test_a_key_of_another_type_counts_as_absent() -> None:
    event = read_event('{"event":"start","seed":"7","model":3,"duration":true,"sample_rate":1.5}')
    assert event == Started()


@pytest.mark.parametrize(("sent", "percent"), [("101", 100.0), ("-3", 0.0), ("25.5", 25.5)])
def test_progress_stays_within_its_range(sent: str, percent: float) -> None:
    assert read_event(f'{{"event":"progress","progress":{sent}}}') == Progress(percent)


@pytest.mark.parametrize("sent", ["NaN", "1e999", "1" + "0" * 400, "null", "true"])
def test_progress_that_is_no_number(sent: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="without a number"):
        read_event(f'{{"event":"progress","progress":{sent}}}')


def test_the_words_of_a_song() -> None:
    event = read_event('{"event":"completed","audio":"","lyrics":"la la"}')
    assert isinstance(event, Completed)
    assert event.lyrics == "la la"


@pytest.mark.parametrize("text", ["", "[" * 100_000, "\N{SNOWMAN}" * 1000])
def test_nonsense_is_quoted_on_one_short_line(text: str) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        read_event(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refusals_of_other_servers_are_read_too(status: int) -> None:
    error = refusal(status, {}, b'{"detail": "too long"}')
    assert isinstance(error, BadRequest)
    assert str(error) == "too long"


def test_a_busy_proxy_is_busy() -> None:
    error = refusal(503, {}, b"<html>\n<h1>503 Service Unavailable</h1>\xff")
    assert isinstance(error, Busy)
    assert "503 Service Unavailable" in str(error)
    assert error.retry_after_seconds is None
