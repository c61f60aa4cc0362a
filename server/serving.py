"""The process: listens, drains when it is told to stop, and exits with a code that says why."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Coroutine, Sequence
from functools import partial
from inspect import signature
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from loguru import logger
from uvicorn.supervisors import ChangeReload

from server import __version__, logs, tracing
from server.app import create_app
from server.controllers.rate_limits import UnusableRateLimitStore
from server.errors import UnknownModel
from server.service.generation import GenerationService
from server.service.stored_jobs import StoredJobs
from server.settings import Settings, WrongSetting
from server.stores.lock import UnusableStore

EXIT_OK = 0
#: How long uvicorn waits for connections to close once the service has drained.
LAST_WORDS_SECONDS = 5
#: sysexits.h EX_SOFTWARE: a supervisor should start the process again.
EXIT_BROKEN = 70
#: Ours to decide, not uvicorn_config.json's: the application, its logging, and one process only.
RESERVED_OPTIONS = frozenset({"app", "factory", "log_config", "log_level", "workers", "reload"})


def read_uvicorn_options(path: Path) -> dict[str, object]:
    """The options in a file such as uvicorn_config.json. Raises `WrongSetting`."""
    try:
        options = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise WrongSetting(f"UVICORN_CONFIG={path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise WrongSetting(f"{path} is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise WrongSetting(f"{path} must hold a JSON object of uvicorn's options")
    known = set(signature(uvicorn.Config).parameters) - RESERVED_OPTIONS
    for name in options:
        if name not in known:
            raise WrongSetting(f"{path}: {name!r} is no option of uvicorn that may be set here")
    return options


def run(settings: Settings) -> int:
    """Serve until told to stop; the exit code. Raises `WrongSetting`."""
    options = uvicorn_options(settings)
    if not settings.debug:
        return _serve(settings, options)
    listening = uvicorn.Config("server.app:create_app", log_config=None, reload=True, **options)
    child = partial(_serve_again, settings, options)
    ChangeReload(listening, child, [listening.bind_socket()]).run()
    return EXIT_OK


def _serve_again(
    settings: Settings, options: dict[str, Any], sockets: list[socket.socket] | None
) -> None:
    """One process of many: started anew whenever the code changes."""
    sys.exit(_serve(settings, options, sockets))


def _serve(
    settings: Settings, options: dict[str, Any], sockets: list[socket.socket] | None = None
) -> int:
    logs.configure(settings.log_level, settings.log_format, settings.log_dir)
    _configure_traces(settings.trace_url)
    app = wire(settings)
    asyncio.run(try_stores(app.state.stored_jobs))
    config = uvicorn.Config(app, log_config=None, **options)
    drain_seconds = 0.0 if settings.debug else settings.drain_seconds  # a reload is not waited for
    server = Server(config, app.state.service, drain_seconds, bool(settings.api_keys))
    try:
        server.run(sockets)
    except SystemExit:  # uvicorn has logged why it cannot listen
        place = f"{options['host']} port {options['port']}"
        hint = "if it is taken, choose another with --port (API_PORT)"
        raise WrongSetting(f"cannot listen on {place}; {hint}") from None
    tracing.close()
    return server.exit_code


def wire(settings: Settings) -> FastAPI:
    """The application; nothing runs yet. Raises `WrongSetting`."""
    try:
        return create_app(settings)
    except UnknownModel as error:
        raise WrongSetting(f"DEFAULT_MODEL (--music_model_name): {error.problem}") from None
    except (UnusableStore, UnusableRateLimitStore) as error:
        raise WrongSetting(str(error)) from None
    except (ImportError, AttributeError) as error:
        raise WrongSetting(f"EXTRA_MODELS: {error}") from None


def _configure_traces(url: str) -> None:
    try:
        if url:
            tracing.configure(url)
    except ImportError:
        raise WrongSetting(
            'OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry: pip install "continuo[tracing]"'
        ) from None


async def try_stores(stored_jobs: StoredJobs) -> None:
    """A store that cannot be used stops the start with one line, before anything listens."""
    try:
        await stored_jobs.open()
    except UnusableStore as error:
        raise WrongSetting(str(error)) from None
    await stored_jobs.close()


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """uvicorn's options: ours, then uvicorn_config.json's, then what was set by name. Raises
    `WrongSetting`."""
    named: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "forwarded_allow_ips": list(settings.forwarded_allow_ips),
    }
    options = named | {
        "timeout_graceful_shutdown": LAST_WORDS_SECONDS,
        "ws_max_size": settings.max_body_bytes,
        "ws_per_message_deflate": False,  # sound gets no smaller, and the event loop would wait
    }
    chosen = settings.model_fields_set
    if settings.uvicorn_config.exists() or "uvicorn_config" in chosen:
        options |= read_uvicorn_options(settings.uvicorn_config)
    return options | {name: named[name] for name in chosen & named.keys()}


class Server(uvicorn.Server):
    """uvicorn's server, but the first signal only drains: the listener stays open meanwhile.

    uvicorn itself closes the listener on the first signal and cuts running streams; a load
    balancer then sees refused connections instead of a 503 from /ready.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: GenerationService,
        drain_seconds: float,
        has_keys: bool,
    ):
        super().__init__(config)
        self.exit_code = EXIT_OK
        self._service = service
        self._drain_seconds = drain_seconds
        self._has_keys = has_keys
        self._told_to_stop = False
        self._ending: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        service.on_broken = lambda: self._begin(self._leave_broken())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, exit at once on the second."""
        if self._told_to_stop:
            os._exit(128 + sig)
        self._told_to_stop = True
        if self.started and self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin, self._drain())
        else:
            self.should_exit = True

    def _begin(self, ending: Coroutine[None, None, None]) -> None:
        self._ending = asyncio.ensure_future(ending)

    def _announce(self) -> None:
        url = _url(self.servers[0].sockets[0], "https" if self.config.ssl else "http")
        logger.info("Continuo {} listens on {}", __version__, url)
        logger.info(
            "It serves model {}. Another: --music_model_name NAME, or make run MODEL=NAME; "
            "/api/v1/models lists what there is",
            self._service.default_model,
        )
        if not self._has_keys:
            warn_if_public(self.servers[0].sockets)

    async def _drain(self) -> None:
        logger.info("Stopping: running streams may finish within {:g} s", self._drain_seconds)
        await self._service.drain(self._drain_seconds)
        self.should_exit = True

    async def _leave_broken(self) -> None:
        """Threads that hang cannot be joined, so the process leaves without them."""
        await self._service.drain(0)
        logger.critical("Exit code {}: to be started again by a supervisor", EXIT_BROKEN)
        os._exit(EXIT_BROKEN)


def _url(listener: socket.socket, scheme: str) -> str:
    """Where a listener can be reached from this machine."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return f"socket {listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if ip_address(host).is_unspecified else host
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"


def warn_if_public(listeners: Sequence[socket.socket]) -> None:
    """Say that whoever reaches this machine may use the server, if others can reach it."""
    if any(map(_is_public, listeners)):
        logger.warning(
            "Whoever reaches this machine may use the server: API_KEYS is not set, and it listens "
            "on more than this machine's own address"
        )


def _is_public(listener: socket.socket) -> bool:
    """Whether other machines may reach it."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    return not ip_address(listener.getsockname()[0]).is_loopback
