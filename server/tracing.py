"""Traces: what each request spent its time on, as OpenTelemetry spans. A leaf word.

    POST /api/v1/generate_music      the request, by its route; of a WebSocket, all of its requests
    ├── job                          from its place to its outcome; a stored one has its own trace
    │   ├── queue                    waits for a slot, or for its model to be loaded
    │   ├── prefill                  of each take: text read, music to go on from read
    │   └── decode                   of each take: from its first progress to its last sound
    └── encode                       the sound becomes a file

Until `configure` is called all this does nothing, and needs no package.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeAlias

from server import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

Value: TypeAlias = str | int | float
#: Adds to what is said of a span.
Note: TypeAlias = Callable[[Mapping[str, Value]], None]

_provider: TracerProvider | None = None


def configure(url: str) -> None:
    """Send spans to the collector at `url`, by OTLP over HTTP; other `OTEL_…` variables hold too.

    Raises `ImportError` where the extra `tracing` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _provider
    name = os.environ.get("OTEL_SERVICE_NAME", "continuo")
    resource = Resource.create({"service.name": name, "service.version": __version__})
    _provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")
    _provider.add_span_processor(BatchSpanProcessor(exporter))


def close() -> None:
    """Send what is left."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


@contextmanager
def span(
    name: str, attributes: Mapping[str, Value] | None = None, within: Context | None = None
) -> Iterator[Note]:
    """A span around the block, inside the one that is open, or `within` that of another task.

    Its attribute `name`, noted later, becomes its name: a route is known only once it was found.
    """
    if _provider is None:
        yield lambda more: None
        return
    tracer = _provider.get_tracer("continuo", __version__)
    with tracer.start_as_current_span(name, within, attributes=dict(attributes or {})) as opened:

        def note(more: Mapping[str, Value]) -> None:
            opened.set_attributes(dict(more))
            opened.update_name(str(more.get("name", name)))

        yield note


def here() -> Context | None:
    """The span that is open, for another task to go on `within`."""
    if _provider is None:
        return None
    from opentelemetry.context import get_current

    return get_current()


def arrived(headers: Mapping[str, str]) -> Context | None:
    """The caller's own span, if its request names one (W3C Trace Context, `traceparent`)."""
    if _provider is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(headers)


class Stages:
    """Spans that follow each other inside a block."""

    def __init__(self, first: str, attributes: Mapping[str, Value]) -> None:
        self._name = first
        self._attributes = attributes
        self._open = ExitStack()

    def __enter__(self) -> Stages:
        self._open.enter_context(span(self._name, self._attributes))
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.close()

    def enter(self, name: str) -> None:
        """Unless it is the one that is open, end that and begin this one."""
        if name != self._name:
            self._open.close()
            self._name = name
            self._open.enter_context(span(name, self._attributes))
