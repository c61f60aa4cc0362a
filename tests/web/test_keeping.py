"""What is taken away, and what is kept in the browser."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Route, expect

from tests.web.studio import Studio


def test_the_downloaded_file_is_the_completed_one(studio: Studio) -> None:
    file = studio.completed_file(lambda: studio.ask("quick", seconds=3))
    assert file.startswith(b"RIFF")
    assert studio.press_download(studio.takes.first, "WAV").read_bytes() == file


@pytest.mark.parametrize("is_there", [True, False], ids=["of the job", "made again"])
def test_other_formats_are_the_same_music(studio: Studio, is_there: bool) -> None:
    studio.make("quick", seconds=2)
    if not is_there:
        job = httpx.get(f"{studio.server.url}/api/v1/jobs?limit=1").json()["jobs"][0]
        httpx.delete(f"{studio.server.url}/api/v1/jobs/{job['id']}")
    files = [studio.press_download(studio.takes.first, name) for name in ("FLAC", "WAV")]
    assert files[0].read_bytes().startswith(b"fLaC")
    flac, wav = (soundfile.read(file, dtype="int16")[0] for file in files)
    assert np.array_equal(flac, wav)


def test_stems_and_scores_where_there_are_some(studio: Studio) -> None:
    studio.make("quick", seconds=2)
    take = studio.takes.first
    assert studio.press_download(take, "MIDI").read_bytes().startswith(b"MThd")
    studio.open_menu(take)
    take.get_by_role("button", name="Stems…").click()
    expect(take.get_by_role("button", name="Stem: Low")).to_be_visible()  # the menu is open again
    low = studio.press_download(take, "Stem: Low").read_bytes()
    assert low.startswith(b"RIFF")
    assert low != studio.press_download(take, "WAV").read_bytes()
    studio.visit()
    assert studio.press_download(studio.rows.first, "Stem: Low").read_bytes() == low


def test_a_model_without_stems_offers_none(studio: Studio) -> None:
    studio.page.route("**/api/v1/models", _without_abilities)
    studio.visit()
    studio.make("quick", seconds=1)
    studio.open_menu(studio.takes.first)
    expect(studio.takes.first.get_by_role("button", name="FLAC")).to_be_visible()
    expect(studio.takes.first.get_by_role("button", name="Stem")).to_have_count(0)


def _without_abilities(route: Route) -> None:
    body = route.fetch().json()
    for model in body["models"]:
        model["abilities"] = []
    route.fulfill(json=body)


def test_history_survives_a_reload(studio: Studio) -> None:
    file = studio.completed_file(lambda: studio.ask("a piece to keep", seconds=3))
    seed = studio.seed()
    studio.add_to_favourites(studio.takes.first)
    studio.visit()

    row = studio.rows.first
    expect(row).to_contain_text("a piece to keep")
    expect(row).to_contain_text(f"seed {seed}")
    expect(row.get_by_role("button", name="Remove from favourites")).to_be_visible()
    assert studio.press_download(row, "WAV").read_bytes() == file
    row.get_by_role("button", name="Play a piece to keep").click()
    studio.until(lambda: studio.loudness() > 0.1)


def test_favourites_are_found(studio: Studio) -> None:
    studio.make("plain", seconds=1)
    studio.make("loved", seconds=1)
    studio.add_to_favourites(studio.takes.first)
    studio.visit()
    expect(studio.rows).to_have_count(2)
    studio.page.get_by_role("radio", name="Favourites").check()
    expect(studio.rows).to_have_count(1)
    expect(studio.rows.first).to_contain_text("loved")


def test_deleted_is_gone_and_undo_brings_it_back(studio: Studio) -> None:
    studio.make("gone", seconds=1)
    studio.visit()
    studio.rows.first.get_by_role("button", name="Delete").click()
    expect(studio.rows).to_have_count(0)
    studio.page.get_by_role("button", name="Undo").click()
    expect(studio.rows).to_have_count(1)
    studio.visit()
    expect(studio.rows).to_have_count(1)
    studio.rows.first.get_by_role("button", name="Delete").click()
    expect(studio.rows).to_have_count(0)
    studio.visit()
    expect(studio.page.get_by_text("What you make is kept here")).to_be_visible()


def test_settings_are_used_again(studio: Studio) -> None:
    studio.fold("Settings")
    studio.set_slider("Tempo", 90)
    studio.page.get_by_label("Seed", exact=True).fill("7")
    studio.make("with settings", seconds=2)
    studio.visit()
    studio.rows.first.get_by_role("button", name="Reuse settings").click()
    expect(studio.prompt).to_have_value("with settings")
    expect(studio.page.get_by_label("Tempo", exact=True)).to_have_value("90")
    expect(studio.page.get_by_label("Seed", exact=True)).to_have_value("7")
    first = studio.completed_file(lambda: studio.generate.click())
    second = studio.completed_file(lambda: studio.generate.click())
    assert first == second


def test_a_prompt_is_text_and_never_markup(studio: Studio) -> None:
    prompt = "<img src=x onerror=alert(1)> & <b>bold</b>"
    studio.make(prompt, seconds=1)
    studio.visit()
    expect(studio.rows.first).to_contain_text(prompt)
    assert studio.page.locator("b, img[src=x]").count() == 0
