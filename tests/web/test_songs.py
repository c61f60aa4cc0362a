"""Songs on the page: lyrics, a style, and parts of a song that are made anew."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import FilePayload, Locator, expect

from tests.audio.test_recordings import file_of, noise
from tests.fakes import SAMPLE_RATE
from tests.live import live
from tests.web.conftest import OpenPage
from tests.web.studio import Studio

PLAIN = "[verse]\nPaper lanterns on the water\nEvery one a quiet name"
JOBS = "/api/v1/jobs"


def wav(sound: np.ndarray) -> FilePayload:
    return {"name": "tune.wav", "mimeType": "audio/wav", "buffer": file_of(sound, SAMPLE_RATE)}


def song_form(studio: Studio) -> Locator:
    """The fields of a song, after Song has been chosen."""
    studio.page.get_by_role("radio", name="Song", exact=True).check()
    return studio.page.get_by_role("region", name="Song")


def lyrics(studio: Studio) -> Locator:
    return studio.page.get_by_label("Lyrics", exact=True)


def sing(studio: Studio, prompt: str = "folk", text: str = PLAIN) -> None:
    """Have a song made, and wait for it."""
    song_form(studio)
    studio.prompt.fill(prompt)
    lyrics(studio).fill(text)
    studio.generate.click()
    studio.until_finished()


def drag(studio: Studio, start: float, end: float) -> None:
    """Over a part of the waveform, by shares of its width."""
    stage = studio.page.locator(".range-stage")
    box = stage.bounding_box()
    assert box
    stage.hover(position={"x": start * box["width"], "y": 20})
    studio.page.mouse.down()
    stage.hover(position={"x": end * box["width"], "y": 40})
    studio.page.mouse.up()


def change(studio: Studio) -> None:
    studio.takes.first.get_by_role("button", name="Change parts of this song").click()


def wav_of(studio: Studio) -> np.ndarray:
    """The sound of the first take: [channels, n]"""
    file = studio.press_download(studio.takes.first, "WAV").read_bytes()
    return soundfile.read(io.BytesIO(file))[0].T


def test_lyrics_become_a_song_and_come_back_with_times(studio: Studio) -> None:
    expect(lyrics(studio)).to_be_hidden()
    sing(studio)
    expect(studio.takes.first).to_contain_text("1 min 35 s")
    studio.takes.first.locator("summary", has_text="Lyrics").click()
    shown = studio.takes.first.locator("pre")
    expect(shown).to_contain_text("]Paper lanterns on the water")
    studio.takes.first.get_by_role("button", name="Edit them").click()
    expect(lyrics(studio)).to_be_focused()
    expect(lyrics(studio)).to_have_value(shown.text_content() or "")
    studio.page.get_by_role("radio", name="Music", exact=True).check()
    expect(lyrics(studio)).to_be_hidden()


def test_lyrics_from_a_file(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "a.lrc").write_text("[00:10.00]é", "utf-8")
    song_form(studio).get_by_label("Open a file of lyrics").last.set_input_files(tmp_path / "a.lrc")
    expect(lyrics(studio)).to_have_value("[00:10.00]é")


def test_what_is_wrong_with_lyrics_is_told_with_the_line(studio: Studio) -> None:
    sing(studio, text="[00:10.00]one\n[00:05.00]two")
    expect(studio.alert).to_contain_text("line 2 begins at [00:05.00], before line 1")
    expect(lyrics(studio)).to_have_attribute("aria-invalid", "true")
    expect(lyrics(studio)).to_be_focused()


def test_the_style_from_a_recording(studio: Studio) -> None:
    style = noise(11, rate=SAMPLE_RATE)
    form = song_form(studio)
    form.get_by_label("Take the style from a recording").last.set_input_files(wav(style))
    expect(form).to_contain_text("Style as in tune.wav")
    expect(studio.prompt).to_be_disabled()
    studio.generate.click()
    studio.until_finished()
    expect(studio.page.get_by_role("heading", name="Like tune.wav")).to_be_visible()
    heard = wav_of(studio)[0, :SAMPLE_RATE]
    middle = style[0, SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + SAMPLE_RATE]
    assert np.allclose(heard, middle, atol=1e-3)
    form.get_by_role("button", name="Remove Style as in tune.wav").click()
    expect(studio.prompt).to_be_enabled()


def test_parts_of_a_take_are_made_anew_by_dragging(studio: Studio) -> None:
    sing(studio)
    before = wav_of(studio)
    change(studio)
    drag(studio, 0.2, 0.4)
    drag(studio, 0.8, 0.9)
    starts = studio.page.get_by_label("start, in seconds")
    expect(starts).to_have_count(2)
    assert float(starts.nth(0).input_value()) == pytest.approx(19, abs=0.5)
    studio.page.get_by_label("Part 1: start, in seconds").fill("20")
    studio.page.get_by_label("Part 1: end, in seconds").fill("30")
    studio.page.get_by_role("button", name="Remove part 2").click()
    expect(starts).to_have_count(1)
    studio.generate.click()
    studio.until_finished()
    after = wav_of(studio)
    changed = np.flatnonzero(np.abs(before - after).max(axis=0) > 0.01) / SAMPLE_RATE
    assert changed.min() == pytest.approx(20, abs=0.01)
    assert changed.max() == pytest.approx(30, abs=0.01)


def test_a_song_of_ones_own_is_changed_and_kept_with_its_settings(studio: Studio) -> None:
    form = song_form(studio)
    studio.prompt.fill("folk")
    song = noise(100, rate=SAMPLE_RATE)
    form.get_by_label("Change parts of a song").last.set_input_files(wav(song))
    expect(form).to_contain_text("Changing tune.wav")
    studio.generate.click()  # nothing is chosen yet
    expect(form.get_by_role("button", name="Add a part")).to_be_focused()
    drag(studio, 0.5, 0.99)
    studio.generate.click()
    studio.until_finished()
    sound = wav_of(studio)
    assert sound.shape[1] == 100 * SAMPLE_RATE
    assert np.allclose(sound[:, : 49 * SAMPLE_RATE], song[:, : 49 * SAMPLE_RATE], atol=1e-3)
    studio.visit()
    studio.rows.first.get_by_role("button", name="Reuse settings").click()
    expect(form).to_contain_text("Changing tune.wav")
    again = studio.page.get_by_label("Part 1: start, in seconds")
    assert float(again.input_value()) == pytest.approx(50, abs=0.5)
    studio.visit()
    studio.rows.first.get_by_role("button", name="Change parts of this song").click()
    expect(form).to_contain_text("Changing Take 1")


def test_a_file_that_is_no_sound(studio: Studio) -> None:
    form = song_form(studio)
    text: FilePayload = {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"no sound"}
    form.get_by_label("Change parts of a song").last.set_input_files(text)
    expect(form.get_by_role("alert")).to_contain_text("cannot read this file as sound")


def test_an_edit_that_is_being_made_is_found_after_a_reload(studio: Studio) -> None:
    sing(studio)
    change(studio)
    drag(studio, 0.2, 0.4)
    studio.prompt.fill("step 0.02")
    with studio.page.expect_response(f"**{JOBS}"):
        studio.generate.click()
    expect(studio.page.locator(".is-making")).to_have_count(1)
    studio.visit()
    expect(studio.takes).to_have_count(1)
    studio.until_finished()
    expect(studio.takes.first).to_contain_text("real time")
    expect(studio.alert).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_the_song_form(open_page: OpenPage, axe: str, theme: str) -> None:
    studio = open_page(color_scheme=theme, reduced_motion="reduce")
    sing(studio)
    studio.takes.first.locator("summary", has_text="Lyrics").click()
    change(studio)
    drag(studio, 0.2, 0.4)
    studio.page.evaluate(axe)
    found = studio.page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []


def test_a_phone_never_scrolls_sideways_over_a_song(open_page: OpenPage) -> None:
    studio = open_page(width=360, height=740)
    sing(studio, text="an-endless-word-" * 20)
    studio.takes.first.locator("summary", has_text="Lyrics").click()
    change(studio)
    drag(studio, 0.2, 0.4)
    assert studio.page.evaluate("document.documentElement.scrollWidth") == 360


def test_where_the_song_model_cannot_run_it_says_what_is_missing(open_page: OpenPage) -> None:
    with live(extra_models="ticking=tests.fakes:Ticking,diffrhythm=tests.fakes:Mute") as server:
        studio = open_page(server=server)
        form = song_form(studio)
        expect(form).to_contain_text("Not available: its weights are not on this machine.")
        expect(form.locator("code")).to_have_text("Run: fetch-weights NAME")
        studio.prompt.fill("folk")
        studio.generate.click()
        expect(studio.takes).to_have_count(0)


def test_where_no_model_sings_there_is_no_song(open_page: OpenPage) -> None:
    others = "ticking=tests.fakes:Ticking,diffrhythm=tests.fakes:Ticking"
    with live(extra_models=others) as server:
        studio = open_page(server=server)
        expect(studio.page.get_by_role("radio", name="Song", exact=True)).to_be_hidden()
