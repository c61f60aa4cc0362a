"""/api/v1/models: what this server can make music with, and what each model understands."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from server.audio.formats import FORMATS
from server.controllers.answer_descriptions import Responses, errors
from server.controllers.keys import Keys
from server.controllers.problems import ErrorBody, as_json, route_class
from server.errors import Forbidden, NotFound, Unavailable, UnknownModel
from server.models.base import Control, ModelInfo
from server.models.registry import Entry, Phase
from server.service.generation import GenerationService

Drain = Annotated[bool, Query(description="let it finish what it has accepted, then unload it")]

#: Names of the request's fields on the wire of /api/v1/generate_music.
CONTROL_NAMES = {"guidance": "cfg_coef"}


class ControlBody(BaseModel):
    """A setting the model understands, a field of the request."""

    name: str
    kind: Literal["number", "integer", "choice", "switch"]
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
    activity: str = Field(description="what it is doing while it is being loaded")
    memory_bytes: int = Field(description="held by it, or set aside for its load")
    needed_bytes: int = Field(description="memory it needs once it is loaded, judged beforehand")
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
    memory_limit_bytes: int | None = Field(
        description="what models may hold together; null until the device has been asked"
    )


ADMIN_ERRORS: Responses = errors({"model": ErrorBody}, 401, 500) | {
    403: {
        "model": ErrorBody,
        "description": "ALLOW_MODEL_ADMIN is not set, or the key is a user's",
    },
    404: {"model": ErrorBody, "description": "No such model on this server"},
}


def router(service: GenerationService, keys: Keys, allow_admin: bool, debug: bool) -> APIRouter:
    """The routes; `allow_admin` is the setting ALLOW_MODEL_ADMIN."""
    routes = APIRouter(route_class=route_class(as_json, debug), tags=["models"])

    @routes.get("/api/v1/models")
    async def models() -> ModelsBody:
        """List the models, available or not."""
        bodies = [_body(entry, service.default_model) for entry in service.registry.entries]
        return ModelsBody(models=bodies, memory_limit_bytes=service.loader.limit_bytes)

    @routes.post(
        "/api/v1/models/{name:path}/load",
        status_code=202,
        dependencies=keys.for_admins,
        responses={
            **ADMIN_ERRORS,
            200: {"model": ModelBody, "description": "It is loaded"},
            503: {"model": ErrorBody, "description": "It cannot be loaded now; says why"},
        },
    )
    async def load(name: str, response: Response) -> ModelBody:
        """Begin to load a model; `phase` and `activity` of /api/v1/models say how far it is."""
        entry = _administered(name)
        service.load(entry)
        return _answer(entry, response, Phase.READY)

    @routes.post(
        "/api/v1/models/{name:path}/unload",
        status_code=202,
        dependencies=keys.for_admins,
        responses={
            **ADMIN_ERRORS,
            200: {"model": ModelBody, "description": "It is unloaded"},
            409: {"model": ErrorBody, "description": "It works, or is being loaded"},
            422: {"model": ErrorBody, "description": "`drain` is neither true nor false"},
        },
    )
    async def unload(name: str, response: Response, drain: Drain = False) -> ModelBody:
        """Unload a model and free its memory; a busy one only with `drain`, when it is done."""
        entry = _administered(name)
        service.loader.unload(entry, drain)
        if not drain:
            await service.loader.settled(entry)
        return _answer(entry, response, Phase.UNLOADED)

    def _administered(name: str) -> Entry:
        if not allow_admin:
            raise Forbidden(
                "clients may not load or unload models on this server; its operator allows it "
                "with ALLOW_MODEL_ADMIN=true"
            )
        try:
            return service.registry.entry(name)
        except UnknownModel as error:
            raise NotFound(error.message) from None

    def _answer(entry: Entry, response: Response, wanted: Phase) -> ModelBody:
        """200 where it is as it was asked for, else 202."""
        if entry.phase is wanted:
            response.status_code = 200
        return _body(entry, service.default_model)

    return routes


def _body(entry: Entry, default_model: str) -> ModelBody:
    info = entry.model.info
    reason, remedy = info.availability.reason, info.availability.remedy
    if isinstance(entry.failure, Unavailable):
        reason, remedy = entry.failure.reason, entry.failure.remedy
    elif entry.failure is not None:
        reason, remedy = (
            entry.failure.message,
            "The server's log says more; the next request tries again",
        )
    return ModelBody(
        name=info.name,
        description=info.description,
        default=info.name == default_model,
        available=not reason,
        reason=reason,
        remedy=remedy,
        phase=entry.phase,
        activity=entry.activity,
        memory_bytes=entry.memory_bytes,
        needed_bytes=entry.needed_bytes,
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
