"""What is refused or fails is explained in words."""

from __future__ import annotations

import httpx
from playwright.sync_api import expect

from tests.live import live, until
from tests.web.conftest import OpenPage
from tests.web.studio import Studio

JOBS = "/api/v1/jobs"


def test_a_full_queue_is_explained_and_can_be_tried_again(open_page: OpenPage) -> None:
    with live(queue_places=1) as server:
        body = {"description": "step 0.2", "duration": 60}
        jobs = [httpx.post(server.url + JOBS, json=body).json()]
        until(lambda: server.num_running() == 1)
        jobs.append(httpx.post(server.url + JOBS, json=body).json())
        studio = open_page(server=server)
        studio.ask("mine", seconds=2)
        expect(studio.alert).to_contain_text("The queue is full")
        expect(studio.alert).to_contain_text("It should be free in about")
        for job in jobs:
            httpx.post(f"{server.url}{JOBS}/{job['id']}/cancel")
        studio.alert.get_by_role("button", name="Try again").click()
        studio.until_finished()
        expect(studio.alert).to_have_count(0)
        expect(studio.takes.first).to_contain_text("real time")


def test_a_wrong_value_is_explained_at_its_field(studio: Studio) -> None:
    studio.prompt.fill("x" * 10_001)
    studio.generate.click()
    expect(studio.alert).to_contain_text("The server cannot make this")
    expect(studio.alert).to_contain_text("10000")
    expect(studio.prompt).to_have_attribute("aria-invalid", "true")
    expect(studio.alert.get_by_role("button")).to_have_count(0)  # again would be no better


def test_a_wrong_setting_is_unfolded(studio: Studio) -> None:
    refusal = {"error": "bad_request", "detail": "bpm must be less", "field": "bpm"}
    studio.page.route("**" + JOBS, lambda route: route.fulfill(status=422, json=refusal))
    studio.ask("quick", seconds=1)
    tempo = studio.page.get_by_label("Tempo", exact=True)
    expect(tempo).to_be_focused()
    expect(tempo).to_have_attribute("aria-invalid", "true")


def test_a_failure_keeps_what_was_made(studio: Studio) -> None:
    studio.ask("explode", seconds=5)
    expect(studio.alert).to_contain_text("The music could not be finished")
    expect(studio.takes.first.get_by_role("button", name="Play take 1")).to_be_enabled()
    expect(studio.rows).to_have_count(0)


def test_a_lost_connection_is_explained(studio: Studio) -> None:
    studio.page.route("**" + JOBS, lambda route: route.abort())
    studio.ask("quick", seconds=1)
    expect(studio.alert).to_contain_text("The server does not answer")
    studio.page.unroute("**" + JOBS)
    studio.alert.get_by_role("button", name="Try again").click()
    studio.until_finished()
    expect(studio.alert).to_have_count(0)


def test_a_warning_is_shown(studio: Studio) -> None:
    studio.make("warn", seconds=2)
    expect(studio.takes.first).to_contain_text("as asked")


def test_an_unavailable_model_says_why_and_what_to_do(studio: Studio) -> None:
    studio.fold("Model")
    radio = studio.page.locator("input[value=missing]")
    missing = studio.page.locator("label.model").filter(has=radio)
    expect(missing.get_by_role("radio")).to_be_disabled()
    expect(missing).to_contain_text("its weights are not on this machine")
    expect(missing.locator("code")).to_have_text("Run: fetch-weights NAME")


def test_settings_are_those_of_the_model(studio: Studio) -> None:
    studio.fold("Settings")
    expect(studio.page.get_by_label("Tempo", exact=True)).to_have_attribute("max", "200")
    studio.choose_model("sketch")
    expect(studio.page.get_by_label("Tempo", exact=True)).to_have_attribute("max", "240")
    expect(studio.page.get_by_label("Scale", exact=True)).to_be_visible()


def test_a_model_that_is_loading_is_waited_for(studio: Studio) -> None:
    studio.choose_model("slow-to-load")
    studio.ask("quick", seconds=1)
    expect(studio.takes.first).to_contain_text("Next in the queue")
    studio.until_finished()
    expect(studio.takes.first).to_contain_text("real time")
    expect(studio.alert).to_have_count(0)


def test_models_that_cannot_be_listed_are_asked_for_again(studio: Studio) -> None:
    studio.page.route("**/api/v1/models", lambda route: route.abort())
    studio.page.reload()
    expect(studio.alert).to_contain_text("The server does not answer")
    studio.page.unroute("**/api/v1/models")
    studio.alert.get_by_role("button", name="Try again").click()
    expect(studio.alert).to_have_count(0)
    studio.make("quick", seconds=1)


def test_a_browser_that_stores_nothing_still_plays(studio: Studio) -> None:
    studio.page.add_init_script("indexedDB.open = () => { throw new Error('switched off'); };")
    studio.visit()
    expect(studio.page.get_by_text("Your browser stores nothing")).to_be_visible()
    studio.make("quick", seconds=2)
    studio.until(lambda: studio.loudness() > 0.1)
    assert studio.press_download(studio.takes.first, "WAV").read_bytes().startswith(b"RIFF")
