"""Wires the server together: the only place that knows every layer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sse_starlette.sse import AppStatus

from server import __version__
from server.controllers import (
    diffrhythm_bodies,
    diffrhythm_jobs,
    direct_wav,
    health,
    job_bodies,
    jobs,
    lyria_bodies,
    lyria_jobs,
    models,
    musicgen_events,
    musicgen_sse,
    musicgen_websocket,
    page,
    stats,
)
from server.controllers.encoding import NUM_ENCODERS
from server.controllers.keys import Keys
from server.controllers.middleware import BodyLimit, RequestId
from server.controllers.openapi import describe
from server.controllers.problems import ProblemBody, no_such_route
from server.controllers.rate_limits import HEADERS, RateLimiter, RequestCounts
from server.metrics import Metrics
from server.models.base import ModelOptions
from server.models.key_pool import KeyPool
from server.models.memory import DeviceMemory
from server.models.registry import ALIASES, Registry, catalog
from server.models.upstream import Upstream
from server.service.generation import GenerationService
from server.service.readiness import readiness
from server.service.readings import watch_keys
from server.service.retention import Retention
from server.service.stored_jobs import StoredJobs
from server.settings import Settings
from server.stores.job_store import JobStore, database_url
from server.stores.output_store import OutputStore

DESCRIPTION = "Prompt in; progress and sound stream out while the music is made."


def create_app(settings: Settings) -> FastAPI:
    """The whole server as an ASGI application; its service is `app.state.service`.

    Raises `UnknownModel` if the default model is none of this server's, `UnusableStore` or
    `UnusableRateLimitStore` if there is no such database.
    """
    AppStatus.enable_automatic_graceful_drain = False  # streams end by our own drain, uncut
    service = create_service(settings)
    stored_jobs = create_stored_jobs(settings, service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        await stored_jobs.start()
        yield
        await stored_jobs.close()
        await service.close()

    app = FastAPI(title="Continuo", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.state.service = service
    app.state.stored_jobs = stored_jobs
    _add_routes(app, service, stored_jobs, settings)
    _add_middleware(app, settings)
    return app


def create_service(settings: Settings) -> GenerationService:
    """The service over the models of `settings`."""
    checkpoints = _checkpoints(settings.music_model_name)
    served = {**catalog(settings.engine, checkpoints), **settings.extra_catalog}
    default_name = next(iter(checkpoints), settings.music_model_name)
    metrics, pool = Metrics(), KeyPool(settings.genai_api_keys)
    watch_keys(metrics, pool)
    options = ModelOptions(
        models_dir=settings.models_dir,
        device=settings.device,
        precision=settings.precision,
        max_batch=settings.max_batch,
        first_audio_seconds=settings.first_audio_seconds,
        diffrhythm_home=settings.diffrhythm_home,
        style_device=settings.style_device,
        checkpoints=checkpoints,
        downloads=_downloads(settings, served) | {ALIASES.get(default_name, default_name)},
        upstream=Upstream(
            keys=pool,
            api_version=settings.lyria_api_version,
            max_retries=settings.max_retries,
            retry_delay_seconds=settings.retry_delay_seconds,
            session_seconds=settings.lyria_session_seconds,
        ),
    )
    registry = Registry(served, options)
    memory = DeviceMemory(settings.device, settings.model_memory_budget)
    default = registry.entry(default_name)
    service = GenerationService(
        registry, memory, metrics, default.name, settings.step_timeout_seconds
    )
    service.metrics.ready.set_function(lambda: readiness(service)[0] == "ready")
    return service


def create_stored_jobs(settings: Settings, service: GenerationService) -> StoredJobs:
    """The stored jobs of `settings`; nothing is opened yet."""
    retention_hours = {
        jobs.DIALECT: settings.job_retention_hours,
        lyria_bodies.DIALECT: settings.lyria_retention_hours,
        diffrhythm_jobs.DIALECT: settings.diffrhythm_retention_hours,
    }
    return StoredJobs(
        service,
        JobStore(database_url(settings.database_url, settings.output_dir)),
        OutputStore(settings.output_dir),
        settings.queue_places,
        Retention(
            {dialect: 3600 * hours for dialect, hours in retention_hours.items()},
            settings.max_output_bytes,
        ),
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


def _add_routes(
    app: FastAPI, service: GenerationService, stored_jobs: StoredJobs, settings: Settings
) -> None:
    debug, places = settings.debug, settings.waiting_places
    send_timeout_seconds = settings.send_timeout_seconds
    encoders = CapacityLimiter(NUM_ENCODERS)
    keys = Keys(settings.api_keys, settings.admin_keys)
    pool = service.registry.options.upstream.keys
    counts = RequestCounts(settings.rate_limit_storage_url)

    def limiter(name: str) -> RateLimiter:
        return RateLimiter(counts, name, settings.rate_limit_others_per_minute)

    streams = limiter(musicgen_sse.DIALECT)
    lyria = RateLimiter(
        counts,
        lyria_bodies.DIALECT,
        settings.rate_limit_requests_per_minute,
        settings.rate_limit_requests_per_hour,
    )
    for router in (
        musicgen_sse.router(service, places, send_timeout_seconds, encoders, streams, debug),
        jobs.router(service, stored_jobs, send_timeout_seconds, limiter(jobs.DIALECT), debug),
        lyria_jobs.router(service, stored_jobs, keys, pool, settings.lyria_model, lyria, debug),
        diffrhythm_jobs.router(
            service,
            stored_jobs,
            settings.diffrhythm_model,
            limiter(diffrhythm_jobs.DIALECT),
            debug,
        ),
        direct_wav.router(
            service,
            places,
            send_timeout_seconds,
            encoders,
            limiter(direct_wav.DIALECT),
            debug,
        ),
        models.router(service, keys, settings.allow_model_admin, debug),
        stats.router(service, debug),
    ):
        app.include_router(router, dependencies=keys.for_users, responses=keys.refusals)
    for open_router in (
        health.router(service, keys, pool, debug),
        page.router(),
        musicgen_websocket.router(  # it asks for the key itself, to say so in an event
            service,
            keys,
            places,
            send_timeout_seconds,
            encoders,
            streams,
            settings.cors_origins,
            debug,
        ),
    ):
        app.include_router(open_router)
    bodies = (
        musicgen_sse.GenerateMusic,
        lyria_bodies.LyriaRequest,
        diffrhythm_bodies.GenerateSong,
        diffrhythm_bodies.EditSong,
        direct_wav.Generate,
    )
    describe(app, (*musicgen_events.EVENTS, *job_bodies.EVENTS, *bodies, ProblemBody))
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
        expose_headers=[
            "X-Request-Id",
            "Retry-After",
            "Location",
            "Content-Disposition",
            *HEADERS,
        ],
    )
    app.add_middleware(RequestId)
