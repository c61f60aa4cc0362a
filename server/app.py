"""Wires the server together: the only place that knows every layer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sse_starlette.sse import AppStatus

from server import __version__
from server.controllers import health, models, musicgen_events, musicgen_sse, page
from server.controllers.middleware import BodyLimit, RequestId
from server.controllers.openapi import describe
from server.controllers.problems import no_such_route
from server.metrics import Metrics
from server.models.base import ModelOptions
from server.models.memory import DeviceMemory
from server.models.registry import ALIASES, Registry, catalog
from server.service.generation import GenerationService
from server.settings import Settings

DESCRIPTION = "Prompt in; progress and sound stream out while the music is made."


def create_app(settings: Settings) -> FastAPI:
    """The whole server as an ASGI application; its service is `app.state.service`.

    Raises `UnknownModel` if the default model is none of this server's.
    """
    AppStatus.enable_automatic_graceful_drain = False  # streams end by our own drain, uncut
    service = create_service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.close()

    app = FastAPI(title="Continuo", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.state.service = service
    _add_routes(app, service, settings)
    _add_middleware(app, settings)
    return app


def create_service(settings: Settings) -> GenerationService:
    """The service over the models of `settings`."""
    checkpoints = _checkpoints(settings.music_model_name)
    served = {**catalog(settings.engine, checkpoints), **settings.extra_catalog}
    default_name = next(iter(checkpoints), settings.music_model_name)
    options = ModelOptions(
        models_dir=settings.models_dir,
        device=settings.device,
        precision=settings.precision,
        max_batch=settings.max_batch,
        first_audio_seconds=settings.first_audio_seconds,
        checkpoints=checkpoints,
        downloads=_downloads(settings, served) | {ALIASES.get(default_name, default_name)},
    )
    registry = Registry(served, options)
    memory = DeviceMemory(settings.device, settings.model_memory_budget)
    default = registry.entry(default_name)
    return GenerationService(
        registry, memory, Metrics(), default.name, settings.step_timeout_seconds
    )


def _checkpoints(model_name: str) -> dict[str, Path]:
    """The folder that the operator named in place of a model, under the name it is served by."""
    folder = Path(model_name)
    given_as_path = folder.is_absolute() or model_name.startswith(".")
    return {folder.resolve().name: folder} if given_as_path and folder.is_dir() else {}


def _downloads(settings: Settings, names: Iterable[str]) -> frozenset[str]:
    """Those that may be downloaded because of a request."""
    patterns = settings.allowed_models if settings.allow_downloads else ()
    return frozenset(name for name in names if any(fnmatchcase(name, p) for p in patterns))


def _add_routes(app: FastAPI, service: GenerationService, settings: Settings) -> None:
    debug = settings.debug
    app.include_router(
        musicgen_sse.router(service, settings.waiting_places, settings.send_timeout_seconds, debug)
    )
    app.include_router(models.router(service, settings.allow_model_admin, debug))
    app.include_router(health.router(service, debug))
    app.include_router(page.router())
    describe(app, (*musicgen_events.EVENTS, musicgen_sse.GenerateMusic))
    app.add_exception_handler(404, no_such_route)
    app.add_exception_handler(405, no_such_route)


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first one that a request meets."""
    app.add_middleware(BodyLimit, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["X-Request-Id", "Retry-After"],
    )
    app.add_middleware(RequestId)
