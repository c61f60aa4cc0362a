"""What a client sends: where to, and the body.

The dialect is the published one of MusicGen servers, `POST /api/v1/generate_music`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import urlsplit

from clients.errors import BadRequest, NotReachable

if TYPE_CHECKING:  # new in Python 3.11, and nothing needs it at run time
    from typing_extensions import Unpack

DEFAULT_SERVER_URL = "http://127.0.0.1:5555"
GENERATE_PATH = "/api/v1/generate_music"

HEADERS = {
    "Content-Type": "application/json",
    "Accept": "text/event-stream",
    "Connection": "close",  # one kept for later may be closed just when it is used again
    "Accept-Encoding": "identity",  # a compressor between would hold events back
}


def headers(api_key: str | None) -> dict[str, str]:
    """What every request carries, and the server's key if it asks for one."""
    return HEADERS | ({"Authorization": f"Bearer {api_key}"} if api_key else {})


Format = Literal["wav", "flac", "ogg", "mp3", "midi"]
Level = Literal["peak", "loudness"]
Mode = Literal["QUALITY", "DIVERSITY", "VOCALIZATION"]
#: Fields that are sound files: the path of one, whose content is sent.
SOUND_FILES = ("melody", "continue_audio", "ref_audio", "ref_song")


class WeightedPrompt(TypedDict, total=False):
    """One of several prompts."""

    text: str
    weight: float  # any number but 0; 1 if it is not there


class Fields(TypedDict, total=False):
    """Every wish beside the description. One that is absent or None is not sent: the model's
    default holds. The server knows the ranges and says so in its `BadRequest`.
    """

    duration: int | None  # seconds
    model: str | None
    seed: int | None  # the same seed gives the same music
    format: Format | None
    stream_audio: bool | None  # send the sound as it is made
    temperature: float | None
    top_k: int | None
    top_p: float | None
    cfg_coef: float | None  # how closely to follow the description
    mbd: bool | None  # multi-band diffusion decoder
    num_takes: int | None  # with seeds that follow one another
    normalize: Level | None  # what the finished sound is brought to
    melody: str | Path | None  # a sound file whose melody to follow, where the model can
    continue_audio: str | Path | None  # a sound file to go on from, where the model can
    lyrics: str | None  # LRC, or plain lines that are spread over the song
    ref_audio: str | Path | None  # a sound file of the style, the description being empty
    ref_song: str | Path | None  # a song that is made anew in `edit_segments`
    edit_segments: Sequence[Sequence[float]] | None  # pairs of seconds; -1 is its start or end
    whole_decoding: bool | None  # decode the sound at once, not in pieces
    stems: bool | None  # the parts too, where the model has them
    bpm: int | None
    scale: str | None
    density: float | None
    brightness: float | None
    mute_bass: bool | None
    mute_drums: bool | None
    only_bass_and_drums: bool | None
    music_generation_mode: Mode | None
    prompts: Sequence[WeightedPrompt] | None  # more prompts, where the model can


def generate_url(server_url: str) -> str:
    """Where to send the request. Raises NotReachable for what is no HTTP URL."""
    if not _is_http_url(server_url):
        raise NotReachable(server_url, f"a server URL looks like {DEFAULT_SERVER_URL}")
    return server_url.rstrip("/") + GENERATE_PATH


def encode(description: str, **fields: Unpack[Fields]) -> bytes:
    """The JSON body: the description and the fields that were set.

    Raises BadRequest for a number that JSON does not have (NaN, infinity), and OSError for a sound
    file that cannot be read.
    """
    body: dict[str, object] = {"description": description}
    body.update((name, value) for name, value in fields.items() if value is not None)
    for name in SOUND_FILES:
        if name in body:
            body[name] = base64.b64encode(Path(str(body[name])).read_bytes()).decode()
    for name, value in body.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise BadRequest(f"{name} must be a finite number; got {value}", name)
    return json.dumps(body).encode()


def _is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # an address or a port that is no number
        return False
