"""The browser client in a real browser: without the page, and in a page of one's own."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.studio import Studio

DOCUMENT = Path(__file__).parents[2] / "docs" / "page.md"
LEAD_SECONDS = 0.2
RATE = 8000

#: Plays a piece that comes in chunks and is cut again by the player, and gives what was heard.
RENDER = """async ([base64, chunkFrames, rate, loop]) => {
  const { Player } = await import("/client/continuo.js");
  const samples = new Int16Array(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
  const numRounds = loop ? 3 : 1;
  const numFrames = Math.round(samples.length * numRounds + rate * 0.2);
  const context = new OfflineAudioContext(1, numFrames, rate);
  const player = new Player({ context });
  player.loop = loop;
  player.play();
  player.feed({ event: "start", sample_rate: rate, channels: 1, duration: samples.length / rate });
  for (let begin = 0; begin < samples.length; begin += chunkFrames) {
    const chunk = samples.slice(begin, begin + chunkFrames);
    player.feed({ event: "audio", take: 0, samples: chunk, buffer_seconds: 0.1 });
  }
  player.end();
  const heard = (await context.startRendering()).getChannelData(0);
  return Array.from(heard, (value) => Math.round(value * 32767));
}"""


@pytest.mark.parametrize("chunk_frames", [4321, 999_999])
@pytest.mark.parametrize("loop", [False, True])
def test_every_sample_is_played_once_and_without_a_gap(
    studio: Studio, chunk_frames: int, loop: bool
) -> None:
    """The browser's own audio engine renders it; nothing may be missing, doubled or resampled."""
    seconds = 2 if loop else 7
    random = np.random.default_rng(7)
    samples = random.integers(1, 32767, seconds * RATE).astype(np.int16)
    sent = base64.b64encode(samples.tobytes()).decode()
    heard = np.array(studio.page.evaluate(RENDER, [sent, chunk_frames, RATE, loop]))
    first = int(np.flatnonzero(heard)[0])
    assert first < LEAD_SECONDS * RATE
    expected = np.tile(samples, 3) if loop else samples
    num_heard = min(len(expected), len(heard) - first)
    assert num_heard >= 0.9 * len(expected)
    np.testing.assert_array_equal(heard[first : first + num_heard], expected[:num_heard])


def test_the_example_of_the_documents_works(studio: Studio, tmp_path: Path) -> None:
    """As it stands, but for the address; on a page of another origin, and heard."""
    [example] = re.findall(r"```html\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    page = example.replace("http://127.0.0.1:5555", studio.server.url)
    Path(tmp_path, "index.html").write_text(page.replace("duration: 20", "duration: 5"))
    with _elsewhere(tmp_path) as url:
        studio.page.goto(url + "/index.html")
        studio.page.get_by_role("button").click()
        studio.until(lambda: studio.loudness() > 0.1)
        expect(studio.page.locator("#status")).to_have_text("100 %")
        with studio.page.expect_download() as downloading:
            studio.page.get_by_text("Download").click()
    assert Path(downloading.value.path()).read_bytes().startswith(b"RIFF")


@contextmanager
def _elsewhere(folder: Path) -> Iterator[str]:
    """A web server of another origin, for `folder`."""
    answering = partial(_Silent, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()
