"""GET /api/v1/models: what this server can make music with, and what each model understands."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from server.audio.formats import FORMATS
from server.controllers.problems import as_json, route_class
from server.errors import Unavailable
from server.models.base import Control, ModelInfo
from server.models.registry import Entry, Phase
from server.service.generation import GenerationService

#: Names of the request's fields on the wire of /api/v1/generate_music.
CONTROL_NAMES = {"guidance": "cfg_coef"}


class ControlBody(BaseModel):
    """A setting the model understands, a field of the request."""

    name: str
    kind: Literal["number", "integer", "choice"]
    help: str
    minimum: float | None
    maximum: float | None
    default: float | str | None = Field(description="null: the model decides by the prompt")
    choices: list[str]


class DurationLimits(BaseModel):
    """Seconds."""

    minimum: int
    maximum: int
    default: int


class Limits(BaseModel):
    """What a request may ask for at most."""

    duration: DurationLimits
    prompt_characters: int


class Licence(BaseModel):
    """Of the code that runs the model, and of its weights."""

    code: str
    weights: str


class ModelBody(BaseModel):
    """A model of this server."""

    name: str
    description: str
    default: bool = Field(description="used where a request names no model")
    available: bool
    reason: str = Field(description="why it is not available")
    remedy: str = Field(description="what to do about that")
    phase: Phase
    activity: str = Field(description="what it is doing while it loads")
    slots: int = Field(description="requests at once")
    request_memory_bytes: int = Field(description="beside the weights; 0: not counted")
    abilities: list[str]
    controls: list[ControlBody]
    sample_rate: int
    channels: int
    limits: Limits
    formats: list[str]
    licence: Licence


class ModelsBody(BaseModel):
    """Every model, by name."""

    models: list[ModelBody]


def router(service: GenerationService, debug: bool) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=route_class(as_json, debug), tags=["models"])

    @routes.get("/api/v1/models")
    async def models() -> ModelsBody:
        """List the models, available or not."""
        registry = service.registry
        entries = (registry.entry(name) for name in registry.names)
        return ModelsBody(models=[_body(entry, service.default_model) for entry in entries])

    return routes


def _body(entry: Entry, default_model: str) -> ModelBody:
    info = entry.model.info
    reason, remedy = info.availability.reason, info.availability.remedy
    if isinstance(entry.failure, Unavailable):
        reason, remedy = entry.failure.reason, entry.failure.remedy
    elif entry.failure is not None:
        reason, remedy = entry.failure.message, "see the server's log, then restart it"
    return ModelBody(
        name=info.name,
        description=info.description,
        default=info.name == default_model,
        available=not reason,
        reason=reason,
        remedy=remedy,
        phase=entry.phase,
        activity=entry.model.activity,
        slots=entry.model.capacity.slots,
        request_memory_bytes=entry.model.capacity.memory_bytes,
        abilities=sorted(info.abilities),
        controls=[_control(control) for control in info.controls],
        sample_rate=info.sample_rate,
        channels=info.channels,
        limits=_limits(info),
        formats=[*FORMATS, *info.formats],
        licence=Licence(code=info.code_licence, weights=info.weights_licence),
    )


def _control(control: Control) -> ControlBody:
    return ControlBody(
        name=CONTROL_NAMES.get(control.name, control.name),
        kind=control.kind,
        help=control.help,
        minimum=control.minimum,
        maximum=control.maximum,
        default=control.default,
        choices=list(control.choices),
    )


def _limits(info: ModelInfo) -> Limits:
    duration = DurationLimits(
        minimum=info.min_duration_seconds,
        maximum=info.max_duration_seconds,
        default=info.default_duration_seconds,
    )
    return Limits(duration=duration, prompt_characters=info.max_prompt_characters)
