"""Metrics that are read where they arise, whenever somebody asks for them."""

from __future__ import annotations

from functools import partial

from server.metrics import Metrics
from server.models.key_pool import KeyPool
from server.models.memory import DeviceMemory
from server.models.registry import Entry
from server.service.admission import WaitingRoom


def watch(metrics: Metrics, entry: Entry, room: WaitingRoom) -> None:
    """Let `metrics` read what the model has, what is taken of it, and how its batches go."""
    name = entry.model.info.name
    metrics.slots.labels(name).set_function(lambda: entry.capacity.slots)
    metrics.slots_used.labels(name).set_function(lambda: room.used.slots)
    metrics.memory.labels(name).set_function(lambda: entry.capacity.memory_bytes)
    metrics.memory_used.labels(name).set_function(lambda: room.used.memory_bytes)
    metrics.waiting.labels(name).set_function(lambda: room.num_waiting)
    metrics.batch_size.labels(name).set_function(lambda: entry.model.workload().batch_size)
    metrics.decode_steps.read(name, lambda: entry.model.workload().num_steps)
    metrics.tokens.read(name, lambda: entry.model.workload().num_tokens)


def watch_memory(metrics: Metrics, memory: DeviceMemory) -> None:
    """Let `metrics` read what memory there is."""
    metrics.device_memory.set_function(lambda: memory.free_and_total_bytes()[1])
    metrics.device_memory_free.set_function(lambda: memory.free_and_total_bytes()[0])


def watch_keys(metrics: Metrics, pool: KeyPool) -> None:
    """Let `metrics` read how the keys of a service are used, each by its index."""
    metrics.keys_usable.set_function(lambda: pool.usage.num_usable)
    for key in pool.keys:
        metrics.key_uses.read(str(key.index), partial(getattr, key, "num_uses"))
        metrics.key_errors.read(str(key.index), partial(getattr, key, "num_errors"))
