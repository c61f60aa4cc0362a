"""Generate, listen while it is made, finish, stop."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.live import Json, live, open_stream, read_until, until
from tests.process import running
from tests.web.conftest import OpenPage
from tests.web.studio import Studio


def test_it_sounds_while_it_is_made(studio: Studio) -> None:
    studio.ask("step 0.4", seconds=6)
    expect(studio.takes.first).to_contain_text("%")
    studio.until(lambda: studio.loudness() > 0.1)
    expect(studio.stop).to_be_visible()  # still at work
    before, position = studio.clock_seconds(), studio.position_seconds()
    studio.until(lambda: studio.position_seconds() > position + 0.5)
    assert studio.clock_seconds() >= before + 0.5 - 0.05

    studio.until_finished()
    take = studio.takes.first
    expect(take).to_contain_text("first sound after")
    expect(take).to_contain_text("real time")
    expect(take).to_contain_text("Step seconds 0.4")  # what the model understood
    expect(studio.alert).to_have_count(0)


def test_nothing_sounds_before_anyone_has_asked(studio: Studio) -> None:
    assert studio.page.evaluate("window.meters.length") == 0
    expect(studio.player).to_be_hidden()


def test_stop_frees_the_slot_and_is_no_error(studio: Studio) -> None:
    studio.ask("step 0.3", seconds=30)
    studio.until(lambda: studio.loudness() > 0.1)
    assert studio.server.num_running() == 1
    studio.stop.click()
    until(lambda: studio.server.num_running() == 0, 3)
    expect(studio.takes.first).to_contain_text("Stopped at")
    expect(studio.alert).to_have_count(0)
    expect(studio.generate).to_be_visible()


def test_leaving_the_page_stops_nothing_and_coming_back_finds_it(studio: Studio) -> None:
    studio.ask("step 0.2", seconds=12, num_takes=2)
    until(lambda: [job["state"] for job in jobs_of(studio)[:2]] == ["queued", "running"])
    seeds = [job["seed"] for job in jobs_of(studio)[:2]]
    studio.page.goto("about:blank")
    assert studio.server.num_running() == 1
    studio.visit()
    expect(studio.takes).to_have_count(2)
    expect(studio.takes.first).to_contain_text("%")
    studio.until_finished()
    assert [studio.seed(1), studio.seed(0)] == seeds
    assert studio.loudness() == 0  # nobody has pressed Play since
    studio.page.get_by_role("button", name="Play take 1").click()
    studio.until(lambda: studio.loudness() > 0.1)
    studio.visit()
    expect(studio.rows).to_have_count(2)
    expect(studio.takes).to_have_count(0)  # nothing is pending any more


def test_stop_reaches_every_take_also_after_a_reload(studio: Studio) -> None:
    studio.ask("step 0.2", seconds=30, num_takes=3)
    studio.until(lambda: studio.server.num_running() == 1)
    studio.visit()
    studio.stop.click()
    until(lambda: studio.server.num_running() == 0, 3)
    until(lambda: {job["state"] for job in jobs_of(studio)[:3]} == {"cancelled"})
    expect(studio.generate).to_be_visible()
    expect(studio.alert).to_have_count(0)


def jobs_of(studio: Studio) -> list[Json]:
    """The server's jobs, newest first."""
    return httpx.get(studio.server.url + "/api/v1/jobs").json()["jobs"]


def test_a_server_that_is_started_again_goes_on_with_the_take(
    open_page: OpenPage, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ("--port", str(port))
    with running(tmp_path, *flags) as process:
        studio = open_page(server=process)
        studio.ask("step 0.2", seconds=15)
        studio.until(lambda: studio.loudness() > 0.1)
        process.signal(signal.SIGKILL)
    with running(tmp_path, *flags):
        studio.until_finished()
        expect(studio.takes.first).to_contain_text("real time")
        expect(studio.alert).to_have_count(0)
        assert studio.press_download(studio.takes.first, "WAV").stat().st_size > 15 * 8000 * 4


def test_stop_and_generate_at_once(studio: Studio) -> None:
    studio.ask("step 0.2", seconds=30)
    studio.until(lambda: studio.server.num_running() == 1)
    studio.stop.click()
    studio.make("quick", seconds=2)
    expect(studio.takes.first).to_contain_text("real time")
    expect(studio.alert).to_have_count(0)


def test_takes_are_made_one_after_another(studio: Studio) -> None:
    studio.make("step 0.1", seconds=2, num_takes=3)
    expect(studio.takes).to_have_count(3)
    first = studio.seed(0)
    assert [studio.seed(1), studio.seed(2)] == [(first + 1) % 2**32, (first + 2) % 2**32]


def test_takes_are_made_at_once_where_there_are_slots(open_page: OpenPage) -> None:
    with live(max_batch=3) as server:
        studio = open_page(server=server)
        studio.ask("step 0.3", seconds=4, num_takes=3)
        until(lambda: server.num_running() == 3)
        studio.until_finished()
        expect(studio.page.locator(".is-done")).to_have_count(3)


def test_a_place_in_the_queue_is_told(open_page: OpenPage) -> None:
    with live() as server:
        other = open_stream(server.port, description="step 0.2", duration=60)
        read_until(other, b"start")
        studio = open_page(server=server)
        studio.ask("quick", seconds=1)
        expect(studio.takes.first).to_contain_text("Next in the queue")
        other.close()
        studio.until_finished()
        expect(studio.takes.first).to_contain_text("real time")


def test_another_take_is_heard_in_place_of_the_first(studio: Studio) -> None:
    studio.make("quick", seconds=20, num_takes=2)
    studio.page.get_by_role("button", name="Play take 2").click()
    expect(studio.takes.nth(1)).to_have_class(re.compile("is-current"))
    studio.until(lambda: studio.loudness() > 0.1)
    assert studio.position_seconds() < 5


def test_another_seed_is_another_take_of_the_same_wish(studio: Studio) -> None:
    studio.make("quick", seconds=2)
    first = studio.seed()
    studio.page.get_by_role("button", name="New seed").click()
    expect(studio.rows).to_have_count(1)  # the first one is kept
    studio.until_finished()
    assert studio.seed() != first


def test_loop_goes_on_after_the_end(studio: Studio) -> None:
    studio.make("quick", seconds=1)
    play = studio.player.get_by_role("button", name="Play", exact=True)
    expect(play).to_be_visible()  # it has played to its end
    studio.player.get_by_role("button", name="Loop").click()
    play.click()
    before = studio.clock_seconds()
    studio.until(lambda: studio.clock_seconds() > before + 2.5)
    assert studio.loudness() > 0.1


def test_volume(studio: Studio) -> None:
    studio.make("quick", seconds=20)
    studio.set_slider("Volume", 0)
    studio.until(lambda: studio.loudness() < 0.001)
    studio.set_slider("Volume", 1)
    studio.until(lambda: studio.loudness() > 0.1)


@pytest.mark.parametrize("typing", [False, True])
def test_keyboard(studio: Studio, typing: bool) -> None:
    studio.make("quick", seconds=30)
    studio.until(lambda: studio.loudness() > 0.1)
    if typing:
        studio.prompt.focus()
        studio.page.keyboard.press("End")
        studio.page.keyboard.press("Space")
        studio.page.keyboard.press("ArrowRight")
        expect(studio.prompt).to_have_value("quick ")
        assert studio.position_seconds() < 4
        expect(studio.player.get_by_role("button", name="Pause")).to_be_visible()
        return
    before = studio.position_seconds()
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("ArrowRight")
    studio.until(lambda: studio.position_seconds() >= before + 10)
    studio.page.keyboard.press("ArrowLeft")
    studio.until(lambda: studio.position_seconds() < before + 8)
    studio.page.keyboard.press("Space")
    expect(studio.player.get_by_role("button", name="Play", exact=True)).to_be_visible()
    studio.until(lambda: studio.loudness() < 0.001)
    studio.page.keyboard.press("Space")
    studio.until(lambda: studio.loudness() > 0.1)
    studio.page.keyboard.press("Escape")
    studio.until(lambda: studio.position_seconds() == 0)


def test_escape_stops_the_generation(studio: Studio) -> None:
    studio.ask("step 0.3", seconds=30)
    studio.until(lambda: studio.server.num_running() == 1)
    studio.page.keyboard.press("Escape")
    until(lambda: studio.server.num_running() == 0, 3)
    expect(studio.takes.first).to_contain_text(re.compile("Stopped|Not made"))


def test_enter_makes_the_music(studio: Studio) -> None:
    studio.prompt.fill("quick")
    studio.prompt.press("Enter")
    expect(studio.takes).to_have_count(1)
    studio.until_finished()
