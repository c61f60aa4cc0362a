"""The bodies of the DiffRhythm job dialect, as they stand on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Literal

from pydantic import BaseModel, Field

from server import __version__
from server.controllers.bodies import Body, Integer, Seed, Segments, SoundFile, Text, TextFile
from server.controllers.recordings import SONG_EXCERPT, STYLE_EXCERPT
from server.events import State
from server.generation import MAX_TAKES, GenerationRequest, Recording
from server.stores.event_file import take_name
from server.stores.output_store import OUTPUT
from server.stores.stored_job import StoredJob

#: Field of the request → its name in this dialect; others have the same name.
WIRE_NAMES = {
    "prompt": "ref_prompt",
    "style_audio": "ref_audio",
    "duration_seconds": "audio_length",
    "num_takes": "batch_infer_num",
    "edited_song": "ref_song",
    "whole_decoding": "chunked",
}
SOUND_FILES = {"ref_audio": STYLE_EXCERPT, "ref_song": SONG_EXCERPT}


class GenerateSong(Body):
    """A wish for a song, its style as a recording or in words, one of the two."""

    lyrics: TextFile = Field(
        description="LRC, or plain lines that are spread over the song; empty: an instrumental",
        examples=["[00:10.00]Paper lanterns on the water\n"],
    )
    ref_audio: SoundFile | None = Field(
        None, description="a recording of the style, at least 10 s; its middle 10 s are heard"
    )
    ref_prompt: Text | None = Field(
        None, description="the style in words", examples=["folk, acoustic guitar"]
    )
    audio_length: Integer = Field(95, ge=95, le=285, description="seconds")
    chunked: bool = Field(
        True, description="decode the sound in pieces; false takes much more memory"
    )
    batch_infer_num: Integer = Field(
        1, ge=1, le=MAX_TAKES, description="so many takes, with seed, seed + 1, …"
    )
    seed: Seed | None = Field(None, description="drawn if not sent")


class EditSong(GenerateSong):
    """A song of which parts are to be made anew."""

    ref_song: SoundFile = Field(description="the song, at least as long as `audio_length`")
    edit_segments: Segments = Field(
        description="what is made anew: pairs of seconds; -1 is the song's start or end"
    )


class SongQueued(BaseModel):
    """The job is stored."""

    task_id: str
    status: Literal["queued"] = "queued"
    message: str = "Music generation task queued successfully"


class SongWarning(BaseModel):
    """Something to know although the work goes on."""

    code: str
    message: str


class SongStatus(BaseModel):
    """How far a job is."""

    task_id: str
    status: Literal["queued", "processing", "completed", "failed"]
    progress: float = Field(ge=0, le=100)
    message: str
    output_path: str | None = Field(description="in the server's output folder, once completed")
    created_at: datetime
    completed_at: datetime | None = Field(description="when it ended, however it did")
    error: str | None = Field(description="if it failed or was cancelled")
    lyrics: str | None = Field(description="LRC as it is sung, to be changed and sent again")
    seed: int
    warnings: list[SongWarning]


class TaskDeleted(BaseModel):
    """The job is forgotten, with its files."""

    message: str


class SongHealth(BaseModel):
    """The process lives."""

    status: Literal["healthy"] = "healthy"
    message: str = Field(description="whether the model of this interface can be used")
    version: str = __version__


#: State → its name on the wire, and what is said of it.
STATES: Mapping[State, tuple[Literal["queued", "processing", "completed", "failed"], str]] = {
    State.QUEUED: ("queued", "The song waits for its turn"),
    State.RUNNING: ("processing", "The song is being made"),
    State.COMPLETED: ("completed", "The song is ready"),
    State.FAILED: ("failed", "The song could not be made"),
    State.CANCELLED: ("failed", "The song was cancelled"),
}


def to_request(
    body: GenerateSong, recordings: Mapping[str, Recording], model: str
) -> GenerationRequest:
    """The body in the server's words, with the sound of its files by the files' names; what was
    not sent stays unset. Songs come at full level, as published; an edited one keeps its own."""
    sent = body.model_dump(include=body.model_fields_set - {"chunked", *SOUND_FILES})
    words = {wire: word for word, wire in WIRE_NAMES.items()}
    fields = {words.get(name, name): value for name, value in {**sent, **recordings}.items()}
    wanted = {"prompt": "", **{k: v for k, v in fields.items() if v is not None}}
    level: Literal["peak"] | None = None if "edited_song" in fields else "peak"
    return GenerationRequest(
        **wanted, model=model, whole_decoding=not body.chunked, normalize=level
    )


def status(stored: StoredJob) -> SongStatus:
    """How far the job is; a cancelled one is a failed one here."""
    name, message = STATES[stored.state]
    completed = stored.state is State.COMPLETED
    failed = stored.finished and not completed
    return SongStatus(
        task_id=stored.id,
        status=name,
        progress=round(stored.progress, 1),
        message=message,
        output_path=f"{stored.id}/{OUTPUT}/{take_name(0, 'wav')}" if completed else None,
        created_at=_moment(stored.created_at),
        completed_at=_moment(stored.ended_at) if stored.ended_at else None,
        error=(stored.error_message or stored.state.value) if failed else None,
        lyrics=stored.request.lyrics,
        seed=stored.request.drawn_seed,
        warnings=[SongWarning(**vars(warning)) for warning in stored.warnings],
    )


def _moment(seconds_since_1970: float) -> datetime:
    return datetime.fromtimestamp(seconds_since_1970, timezone.utc)
