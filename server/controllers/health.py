"""For operators and their machines: /health, /ready, /metrics."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from server import __version__
from server.controllers.answer_descriptions import errors
from server.controllers.keys import Keys
from server.controllers.problems import ErrorBody, as_json, route_class
from server.metrics import CONTENT_TYPE
from server.models.key_pool import KeyPool
from server.models.registry import Phase
from server.service.generation import GenerationService
from server.service.readiness import Readiness, readiness


class HealthBody(BaseModel):
    """The process lives."""

    status: Literal["healthy"] = "healthy"
    message: str = "Continuo is running"
    api_keys_available: int = Field(description="upstream keys that can be used")
    uptime: Literal["running"] = "running"
    version: str = __version__


class ReadyBody(BaseModel):
    """Whether new work is taken now."""

    status: Readiness
    model: str
    message: str
    phase: Phase
    activity: str = Field(description="what the model is doing while it is being loaded")
    memory_bytes: int = Field(description="held by the model, or set aside for its load")


def router(service: GenerationService, keys: Keys, pool: KeyPool, debug: bool) -> APIRouter:
    """The routes. Those that say how the server is are open: who starts and stops it, or sends it
    traffic, has no key."""
    routes = APIRouter(route_class=route_class(as_json, debug), tags=["operations"])

    @routes.get("/health")
    async def health() -> HealthBody:
        """Say that the process lives, whatever it is doing."""
        return HealthBody(api_keys_available=pool.usage.num_usable)

    @routes.get("/ready", responses={503: {"model": ReadyBody, "description": "Not now"}})
    async def ready(response: Response) -> ReadyBody:
        """Say whether new work for the default model is taken now."""
        status, message = readiness(service)
        if status != "ready":
            response.status_code = 503
        entry = service.registry.entry(service.default_model)
        return ReadyBody(
            status=status,
            model=entry.name,
            message=message,
            phase=entry.phase,
            activity=entry.activity,
            memory_bytes=entry.memory_bytes,
        )

    @routes.get(
        "/metrics",
        dependencies=keys.for_admins,
        response_class=Response,
        responses=errors({"model": ErrorBody}, 401, 403) | {200: {"content": {CONTENT_TYPE: {}}}},
    )
    async def metrics() -> Response:
        """Give every metric in the Prometheus text format."""
        return Response(service.metrics.render(), media_type=CONTENT_TYPE)

    return routes
