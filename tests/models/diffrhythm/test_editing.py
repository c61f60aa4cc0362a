"""What is outside the segments stays as it was, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from server.errors import BadRequest
from server.events import Samples
from server.generation import Edit, Recording
from server.models.diffrhythm.checks import check_edit, check_style
from server.models.diffrhythm.editing import (
    HEARD_PEAK,
    Original,
    fitted,
    frames_made_anew,
    prepared,
    shares,
)

RATE = 44_100
SECONDS = 95
FRAMES = 2048


def recording(seconds: float, rate: int = RATE, channels: int = 2, peak: float = 0.3) -> Recording:
    random = np.random.default_rng(5)
    samples = random.uniform(-peak, peak, (channels, int(seconds * rate))).astype(np.float32)
    return Recording(samples, rate)


def through(original: Original, made: Samples, piece_samples: int) -> Samples:
    """`made`, as it comes in pieces."""
    starts = range(0, made.shape[1], piece_samples)
    pieces = [original.put_back(made[:, s : s + piece_samples], s) for s in starts]
    return np.concatenate(pieces, axis=1)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (44_100, 1), (22_050, 1), (48_000, 2)])
def test_outside_the_segments_every_bit_is_the_recording(rate: int, channels: int) -> None:
    song = recording(SECONDS, rate, channels)
    original = Original(Edit(song, ((10.0, 20.5), (60.0, 95.0))), SECONDS, FRAMES)
    made = np.full((2, FRAMES * 2048), 0.25, np.float32)
    heard = through(original, made, 100_000)[:, : SECONDS * RATE]
    kept = prepared(song)[:, : SECONDS * RATE]
    outside = np.ones(SECONDS * RATE, np.bool_)
    outside[10 * RATE : int(20.5 * RATE)] = outside[60 * RATE :] = False
    assert np.array_equal(heard[:, outside], kept[:, outside])
    inside = heard[:, 12 * RATE : 18 * RATE]
    assert np.allclose(inside, 0.25 * np.abs(prepared(song)).max() / HEARD_PEAK)


def test_pieces_of_any_size_give_the_same() -> None:
    original = Original(Edit(recording(SECONDS), ((3.0, 4.0),)), SECONDS, FRAMES)
    made = np.zeros((2, FRAMES * 2048), np.float32)
    assert np.array_equal(through(original, made, 77_777), through(original, made, 2**30))


def test_one_becomes_the_other_without_a_jump() -> None:
    heard = shares([(1.0, 2.0)], 95, 4 * RATE)
    assert np.abs(np.diff(heard)).max() < 1e-3
    assert heard[RATE - 1] == 0
    assert heard[round(1.5 * RATE)] == 1


def test_at_the_ends_of_a_song_nothing_fades() -> None:
    heard = shares([(0.0, 1.0), (3.0, 95.0)], 95, 5 * RATE)
    assert heard[0] == heard[-1] == 1


def test_a_segment_that_ends_with_the_song_reaches_the_last_frame() -> None:
    """There are a few frames after the frame in which 95 s lie."""
    assert frames_made_anew([(90.0, 95.0)], SECONDS, FRAMES)[-1]
    assert not frames_made_anew([(90.0, 94.9)], SECONDS, FRAMES)[-1]


def test_segments_that_touch_are_one() -> None:
    original = Original(Edit(recording(SECONDS), ((3.0, 4.0), (4.0, 5.0))), SECONDS, FRAMES)
    made = np.zeros((2, 10 * RATE), np.float32)
    assert not original.put_back(made, 0)[:, int(3.1 * RATE) : int(4.9 * RATE)].any()


def test_a_song_is_filled_up_to_whole_frames() -> None:
    """95 s are a little less than the frames of a song of 95 s."""
    original = Original(Edit(recording(SECONDS), ((3.0, 4.0),)), SECONDS, FRAMES)
    assert original.heard.shape == (2, FRAMES * 2048)
    assert np.abs(original.heard).max() == pytest.approx(HEARD_PEAK)
    assert not original.heard[:, SECONDS * RATE :].any()
    assert fitted(np.ones((2, 5), np.float32), 3).shape == (2, 3)


def test_a_segment_of_a_frame_is_made_and_a_shorter_one_refused() -> None:
    song = recording(SECONDS)
    for start in np.linspace(1.0, 1.05, 11):
        segment = (float(start), float(start) + 0.0465)
        check_edit(Edit(song, (segment,)))
        assert Original(Edit(song, (segment,)), SECONDS, FRAMES).mask.any()
    with pytest.raises(BadRequest, match=r"at least 47 ms long each; got \[1, 1.046\]") as raised:
        check_edit(Edit(song, ((1.0, 1.046),)))
    assert raised.value.field == "edit_segments"


def test_a_silent_song_is_refused() -> None:
    with pytest.raises(BadRequest, match="edited_song is silent"):
        check_edit(Edit(recording(SECONDS, peak=1e-6), ((1.0, 2.0),)))


def test_a_reference_needs_ten_seconds_with_sound_in_their_middle() -> None:
    check_style(recording(10.0))
    with pytest.raises(BadRequest, match=r"style_audio must have at least 10 s .* it has 9.9 s"):
        check_style(recording(9.9))
    loud_ends = recording(40.0)
    loud_ends.samples[:, 14 * RATE : 26 * RATE] = 0.0
    with pytest.raises(BadRequest, match="style_audio is silent in the 10 s in its middle"):
        check_style(loud_ends)
