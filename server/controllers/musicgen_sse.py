"""The MusicGen SSE dialect, POST /api/v1/generate_music: what is published, to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from server.audio.recordings import Excerpt
from server.controllers.answer_descriptions import Responses, errors_of_work
from server.controllers.bodies import (
    Body,
    Integer,
    Mode,
    Prompts,
    Seed,
    Segments,
    SoundFile,
    Text,
    TextFile,
    read_body,
    weighted_prompts,
)
from server.controllers.musicgen_events import EVENT_SCHEMA, EXAMPLE_STREAM
from server.controllers.musicgen_messages import Messages, data_line
from server.controllers.openapi import json_or_form
from server.controllers.problems import ErrorBody, as_json, route_class
from server.controllers.rate_limits import RateLimiter
from server.controllers.recordings import SONG_EXCERPT, STYLE_EXCERPT, RecordingReader
from server.controllers.responses import JobResponse
from server.errors import BadRequest, ContinuoError
from server.generation import MAX_TAKES, GenerationRequest, Recording
from server.service.generation import GenerationService

DIALECT = "musicgen-sse"
ROUTE = "/api/v1/generate_music"
#: Field of the request → its name in this dialect; others have the same name.
WIRE_NAMES = {
    "prompt": "description",
    "duration_seconds": "duration",
    "guidance": "cfg_coef",
    "multiband_diffusion": "mbd",
    "weighted_prompts": "prompts",
    "continuation": "continue_audio",
    "style_audio": "ref_audio",
    "edited_song": "ref_song",
}
#: Sound files of the request, and what is used of them.
SOUND_FILES = {
    "melody": Excerpt("first"),
    "continue_audio": Excerpt("last"),
    "ref_audio": STYLE_EXCERPT,
    "ref_song": SONG_EXCERPT,
}


class GenerateMusic(Body):
    """A wish for music. Fields that are not sent take the model's own defaults."""

    description: Text = Field(description="what it should sound like", examples=["lofi with rain"])
    duration: Integer = Field(30, description="seconds; the limits are the model's", examples=[10])
    mbd: bool = Field(
        False,
        description="decode with MultiBand Diffusion, where a model has it; not with stream_audio",
    )
    top_k: Integer = Field(250, ge=0, description="0: off")
    top_p: float = Field(0.0, ge=0, le=1, description="above 0 it replaces top_k")
    temperature: float = Field(1.0, ge=0, le=10)
    cfg_coef: float = Field(3.0, ge=0, le=20, description="guidance: how closely to follow")
    model: Text | None = Field(None, description="a name of /api/v1/models; else the default")
    seed: Seed | None = Field(None, description="drawn and told if not sent")
    stream_audio: bool = Field(False, description="send `audio` events while it is made")
    format: Literal["wav", "flac", "ogg", "mp3", "midi"] = Field(
        "wav", description="of `completed`; midi for models that write scores"
    )
    num_takes: Integer = Field(
        1, ge=1, le=MAX_TAKES, description="so many takes, with seed, seed + 1, …"
    )
    normalize: Literal["peak", "loudness"] | None = Field(
        None, description="peak: to -1 dBFS; loudness: to -16 LUFS. Not with `stream_audio`"
    )
    melody: SoundFile | None = Field(
        None, description="a sound file whose melody to follow, for models that can"
    )
    continue_audio: SoundFile | None = Field(
        None, description="a sound file to go on from, for models that can"
    )
    stems: bool = Field(False, description="send the parts too, where a model has them")
    bpm: Integer | None = Field(None, description="beats a minute, for models that have it")
    scale: Text | None = Field(None, description="for example C_MAJOR_A_MINOR")
    density: float | None = Field(None, ge=0, le=1, description="how much goes on")
    brightness: float | None = Field(None, ge=0, le=1, description="dark 0 to bright 1")
    prompts: Prompts | None = Field(
        None, description="more prompts, each with a weight, for models that can"
    )
    mute_bass: bool | None = Field(None, description="for models that declare it, as those below")
    mute_drums: bool | None = None
    only_bass_and_drums: bool | None = None
    music_generation_mode: Mode | None = Field(None, description="what to favour")
    lyrics: TextFile | None = Field(
        None, description="LRC, or plain lines that are spread over the song, for song models"
    )
    ref_audio: SoundFile | None = Field(
        None, description="a sound file of the style, the description being empty, for song models"
    )
    ref_song: SoundFile | None = Field(
        None, description="a song that is made anew in `edit_segments`, for models that can"
    )
    edit_segments: Segments | None = Field(
        None, description="pairs of seconds in `ref_song`; -1 is its start or end"
    )
    whole_decoding: bool = Field(
        False, description="decode the sound at once, for models that otherwise do it in pieces"
    )


#: Fields that ask for what can only be done to the whole sound.
OF_THE_WHOLE = ("normalize", "mbd")


def to_request(
    body: GenerateMusic, recordings: Mapping[str, Recording] | None = None
) -> GenerationRequest:
    """The body in the server's words, with the sound of its files by the files' names; what was
    not sent stays unset."""
    for field in OF_THE_WHOLE:
        if body.stream_audio and getattr(body, field):
            raise BadRequest(
                field, "needs the whole sound; leave it out, or leave out stream_audio"
            )
    words = {wire: word for word, wire in WIRE_NAMES.items()}
    sent = body.model_dump(include=body.model_fields_set - {"stream_audio", *SOUND_FILES})
    sent.update(recordings or {})
    if sent.get("prompts"):
        sent["prompts"] = weighted_prompts(sent["prompts"])
    fields = {words.get(name, name): value for name, value in sent.items()}
    return GenerationRequest(**{k: v for k, v in fields.items() if v is not None})


RESPONSES: Responses = errors_of_work({"model": ErrorBody}, 400, 413, 429) | {
    200: {
        "description": "Server-Sent Events, one JSON object each, in `data:` lines. The connection "
        "closes after `completed` or `error`.",
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": EXAMPLE_STREAM}},
    }
}


def router(
    service: GenerationService,
    waiting_places: int,
    send_timeout_seconds: float,
    encoders: CapacityLimiter,
    limiter: RateLimiter,
    debug: bool,
) -> APIRouter:
    """The dialect's one route."""

    def problem(error: ContinuoError) -> Response:
        service.metrics.requests.labels(DIALECT, "", error.code).inc()
        return as_json(error, WIRE_NAMES)

    routes = APIRouter(route_class=route_class(problem, debug), tags=["MusicGen SSE"])
    recordings = RecordingReader(SOUND_FILES)

    @routes.post(
        ROUTE,
        dependencies=[Depends(limiter.watch)],
        response_class=Response,
        responses=RESPONSES,
        openapi_extra=json_or_form(GenerateMusic),
    )
    async def generate_music(request: Request) -> JobResponse:
        """Make music from a description, and stream progress and sound while it is made."""
        body = await read_body(GenerateMusic, request)
        wanted = to_request(body, await recordings.read(body))
        # No await from here to the response's own __call__: nothing can come between the place
        # that is taken and the owner that gives it back.
        job = service.submit(wanted, DIALECT, waiting_places)
        messages = aiter(Messages(job, body.stream_audio, encoders, debug, data_line))
        return JobResponse(service, job, messages, send_timeout_seconds)

    return routes
