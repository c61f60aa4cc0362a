"""The bodies of the Lyria job dialect, as they stand on the wire."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from server.controllers.bodies import Body, Integer, Mode, Prompts, Seed, Words, weighted_prompts
from server.events import State
from server.generation import GenerationRequest, Scale
from server.models.base import ModelInfo
from server.models.key_pool import KeyUsage
from server.stores.stored_job import StoredJob

DIALECT = "lyria"
#: Field of the request → its name in this dialect; others have the same name.
WIRE_NAMES = {"weighted_prompts": "prompts"}
FLATS = {
    "A_SHARP": "B_FLAT",
    "C_SHARP": "D_FLAT",
    "D_SHARP": "E_FLAT",
    "F_SHARP": "G_FLAT",
    "G_SHARP": "A_FLAT",
}


def _with_flats(value: object) -> object:
    if isinstance(value, str):
        for sharp, flat in FLATS.items():
            value = value.replace(sharp, flat)
    return value


WrittenScale = Annotated[Scale, BeforeValidator(_with_flats)]


class LyriaRequest(Body):
    """A wish for music. Defaults are those for the model `lyria-realtime`; another model takes its
    own for what is not sent. What has no default here was never published, and is left to Lyria."""

    prompt: Words = Field(description="what it should sound like", examples=["lofi with rain"])
    duration_seconds: Integer = Field(25, ge=1, le=300, examples=[10])
    bpm: Integer = Field(110, ge=60, le=200, description="beats a minute")
    temperature: float = Field(1.2, ge=0.1, le=2.0, description="how adventurous")
    density: float = Field(0.8, ge=0.1, le=1.0, description="how much goes on")
    brightness: float = Field(0.6, ge=0.1, le=1.0, description="dark to bright")
    scale: WrittenScale = Field(
        "G_MAJOR_E_MINOR", description="sharps are understood too: C_SHARP_…"
    )
    guidance: float = Field(
        4.5, ge=1.0, le=10.0, description="how closely to follow; Lyria counts above 6 as 6"
    )
    prompts: Prompts | None = Field(None, description="more prompts, each with a weight")
    seed: Seed | None = Field(None, description="drawn if not sent")
    top_k: Integer | None = Field(None, ge=1, le=1000)
    mute_bass: bool | None = None
    mute_drums: bool | None = None
    only_bass_and_drums: bool | None = None
    music_generation_mode: Mode | None = Field(None, description="what to favour")


class LyriaStarted(BaseModel):
    """The job is stored."""

    task_id: str
    status: Literal["started"] = "started"
    message: str
    estimated_duration: int = Field(description="seconds")


class LyriaWarning(BaseModel):
    """Something to know although the work goes on."""

    code: str
    message: str


class LyriaStatus(BaseModel):
    """How far a job is. A key that does not apply is left out."""

    task_id: str
    status: Literal["generating", "completed", "failed"]
    progress_percentage: float = Field(ge=0, le=100)
    filename: str | None = Field(None, description="once there is something to download")
    download_url: str | None = Field(None, description="once there is something to download")
    partial: bool | None = Field(
        None, description="it failed, but what was made before that can be downloaded"
    )
    error: str | None = Field(None, description="if it failed")
    warnings: list[LyriaWarning] | None = None


class KeyStats(BaseModel):
    """How upstream keys are used, by their index; never a key or a part of one."""

    total_keys: int
    current_key: int = Field(description="the one taken up last")
    key_usage: dict[str, int]
    key_errors: dict[str, int]


class FieldFault(BaseModel):
    """What is wrong with a field."""

    type: str
    """A code for programs."""
    loc: list[str]
    """Where: `body`, and the field's name."""
    msg: str
    """For people: what was wrong, what is allowed, what to do."""


class FaultsBody(BaseModel):
    """What a request is told that cannot be met."""

    detail: list[FieldFault]


def to_request(body: LyriaRequest, info: ModelInfo, left_out: Container[str]) -> GenerationRequest:
    """The body in the server's words. What was not sent has its default of this dialect with the
    model that the dialect was published for, and stays unset with another."""
    is_native = info.native_dialect == DIALECT
    sent = body.model_dump(include=None if is_native else body.model_fields_set)
    fields = {k: v for k, v in sent.items() if k not in left_out and v is not None}
    if prompts := fields.pop("prompts", None):
        fields["weighted_prompts"] = weighted_prompts(prompts)
    return GenerationRequest(model=info.name, **fields)


def file_name(stored: StoredJob) -> str:
    """What its file is called, which says so if it is not the whole."""
    return f"{stored.id}.partial.wav" if stored.partial else f"{stored.id}.wav"


def key_stats(usage: KeyUsage) -> KeyStats:
    """How keys are used, on the wire."""
    return KeyStats(
        total_keys=usage.total_keys,
        current_key=usage.current_key,
        key_usage={str(index): num for index, num in usage.uses.items()},
        key_errors={str(index): num for index, num in usage.errors.items()},
    )


def started(stored: StoredJob, left_out: list[str]) -> LyriaStarted:
    """The answer to a request that is met."""
    seconds = stored.request.num_seconds
    message = f"{seconds} s of music are being made by {stored.model}"
    if left_out:
        message += f", which has no use for {', '.join(left_out)}"
    return LyriaStarted(task_id=stored.id, message=message, estimated_duration=seconds)


def status(stored: StoredJob, download_url: str) -> LyriaStatus:
    """How far the job is; a cancelled one is a failed one here."""
    completed = stored.state is State.COMPLETED
    failed = stored.finished and not completed
    has_sound = bool(stored.outputs)
    return LyriaStatus(
        task_id=stored.id,
        status="completed" if completed else "failed" if failed else "generating",
        progress_percentage=round(stored.progress, 1),
        filename=file_name(stored) if has_sound else None,
        download_url=download_url if has_sound else None,
        partial=stored.partial or None,
        error=(stored.error_message or stored.state.value) if failed else None,
        warnings=[LyriaWarning(**vars(warning)) for warning in stored.warnings] or None,
    )
