"""Every metric, declared in one place. A leaf word: every layer may use it."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from server import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 5, 10)
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class CountedElsewhere(Collector):
    """A counter by a `label` that is read, when asked for, where its things are counted."""

    def __init__(
        self, name: str, help: str, registry: CollectorRegistry, label: str = "model"
    ) -> None:
        self._name, self._help, self._labelnames = name, help, (label,)
        self._readings: dict[str, Callable[[], float]] = {}
        registry.register(self)

    def read(self, value: str, reading: Callable[[], float]) -> None:
        """Have the counter of that `value` of the label read by `reading`."""
        self._readings[value] = reading

    def describe(self) -> Iterable[CounterMetricFamily]:
        """What registers its name, so that no other metric can have it."""
        return [CounterMetricFamily(self._name, self._help, labels=self._labelnames)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._help, labels=self._labelnames)
        for value, reading in self._readings.items():
            family.add_metric([value], reading())
        return [family]


class Metrics:
    """The metrics of one server; several servers in one process do not share them."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "continuo_requests_total",
            "Requests for music by how they ended: completed, failed, cancelled, or an error code",
            ["dialect", "model", "outcome"],
            registry=registry,
        )
        self.cancellations = Counter(
            "continuo_cancellations_total",
            "Requests whose client left, by when: queued, running, delivering",
            ["model", "phase"],
            registry=registry,
        )
        self.ready = Gauge(
            "continuo_ready",
            "1 where new work for the default model is taken, as /ready says it, else 0",
            registry=registry,
        )
        self.slots = Gauge("continuo_slots", "Slots the model has", ["model"], registry=registry)
        self.slots_used = Gauge(
            "continuo_slots_used", "Slots taken by running requests", ["model"], registry=registry
        )
        self.memory = Gauge(
            "continuo_request_memory_bytes",
            "Memory the model has for requests, beside its weights",
            ["model"],
            registry=registry,
        )
        self.memory_used = Gauge(
            "continuo_request_memory_used_bytes",
            "What running requests have reserved of it",
            ["model"],
            registry=registry,
        )
        self.batch_size = Gauge(
            "continuo_batch_size",
            "Requests in the latest decode step",
            ["model"],
            registry=registry,
        )
        self.decode_steps = CountedElsewhere(
            "continuo_decode_steps_total", "Decode steps, each of a whole batch", registry
        )
        self.tokens = CountedElsewhere(
            "continuo_tokens_total",
            "Tokens drawn: one of each codebook, request and step",
            registry,
        )
        self.waiting = Gauge(
            "continuo_waiting", "Requests that wait for a slot", ["model"], registry=registry
        )
        self.wait_seconds = self._histogram(
            "continuo_wait_seconds", "From arrival to a slot", SECONDS
        )
        self.first_event_seconds = self._histogram(
            "continuo_first_event_seconds", "From arrival to the first event of any kind", QUICK
        )
        self.first_audio_seconds = self._histogram(
            "continuo_first_audio_seconds", "From arrival to the first sound made", SECONDS
        )
        self.generation_seconds = self._histogram(
            "continuo_generation_seconds", "From a slot to the last sound, completed ones", SECONDS
        )
        self.realtime_factor = self._histogram(
            "continuo_realtime_factor", "Seconds of work per second of music", FACTORS
        )
        self.release_seconds = self._histogram(
            "continuo_release_seconds", "From a cancellation to its slot being free", QUICK
        )
        self.audio_seconds = Counter(
            "continuo_audio_seconds_total", "Seconds of music made", ["model"], registry=registry
        )
        self.jobs_waiting = Gauge(
            "continuo_jobs_waiting", "Stored jobs in the queue", ["model"], registry=registry
        )
        self.output_bytes = Gauge(
            "continuo_output_bytes", "Size of all stored files, once a minute", registry=registry
        )
        self.loads = Counter(
            "continuo_model_loads_total",
            "Loads of a model by how they ended: ready, failed",
            ["model", "outcome"],
            registry=registry,
        )
        self.load_seconds = self._histogram(
            "continuo_model_load_seconds", "From the beginning of a load to a ready model", SECONDS
        )
        self.unloads = Counter(
            "continuo_model_unloads_total",
            "Unloads of a model by why: asked, evicted (others needed the memory)",
            ["model", "reason"],
            registry=registry,
        )
        self.model_memory = Gauge(
            "continuo_model_memory_bytes",
            "Memory a model holds, or that is set aside for it while it is being loaded",
            ["model"],
            registry=registry,
        )
        self.device_memory = Gauge(
            "continuo_device_memory_bytes",
            "Memory of the device that models run on; NaN before a GPU was used",
            registry=registry,
        )
        self.device_memory_free = Gauge(
            "continuo_device_memory_free_bytes",
            "What models could take of it now",
            registry=registry,
        )
        ProcessCollector(registry=registry)
        self.keys_usable = Gauge(
            "continuo_upstream_keys_usable",
            "Keys of Google's API that can be used now",
            registry=registry,
        )
        self.key_uses = CountedElsewhere(
            "continuo_upstream_key_uses_total", "Times a key was taken up", registry, "key"
        )
        self.key_errors = CountedElsewhere(
            "continuo_upstream_key_errors_total",
            "Failures with a key, its own or not",
            registry,
            "key",
        )
        Gauge("continuo_info", "Which version runs", ["version"], registry=registry).labels(
            __version__
        ).set(1)

    def render(self) -> bytes:
        """All of them in the Prometheus text format."""
        return generate_latest(self.registry)

    def num_requests(self, model: str | None = None) -> dict[str, int]:
        """By outcome, of all models or of one."""
        counts: Counts[str] = Counts()
        for labels, value in _samples(self.requests, "_total", model):
            counts[labels["outcome"]] += int(value)
        return dict(counts)

    def total(self, metric: MetricWrapperBase, model: str | None = None) -> float:
        """Of a counter or gauge, of all models or of one."""
        ending = "_total" if isinstance(metric, Counter) else ""
        return sum(value for _, value in _samples(metric, ending, model))

    def mean(self, histogram: Histogram, model: str) -> float | None:
        """Of what was observed; None if nothing was."""
        count, total = (
            sum(value for _, value in _samples(histogram, ending, model))
            for ending in ("_count", "_sum")
        )
        return round(total / count, 4) if count else None

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, help, ["model"], registry=self.registry, buckets=buckets)


def _samples(
    metric: MetricWrapperBase, ending: str, model: str | None
) -> Iterator[tuple[Mapping[str, str], float]]:
    """Labels and value of each sample of that name, of all models or of one."""
    for family in metric.collect():
        for sample in family.samples:
            is_of_model = model is None or sample.labels.get("model") == model
            if sample.name == family.name + ending and is_of_model:
                yield sample.labels, sample.value
