"""Whether new work is taken now, in a word and a sentence."""

from __future__ import annotations

from typing import Literal

from server.errors import ContinuoError
from server.models.registry import Phase
from server.service.generation import GenerationService, Standing

Readiness = Literal["ready", "loading", "unloading", "failed", "draining", "broken"]


def readiness(service: GenerationService) -> tuple[Readiness, str]:
    """Whether new work for the default model is taken now, and a sentence about it.

    A model that is not loaded but can be is as good as a ready one: where this says no, nobody
    sends the request that would load it.
    """
    entry = service.registry.entry(service.default_model)
    if service.standing is Standing.BROKEN:
        return "broken", "a model is broken; the process is restarting"
    if service.standing is Standing.DRAINING:
        return "draining", f"the server is stopping; {service.num_jobs} still at work"
    if entry.phase is Phase.READY:
        return "ready", f"{entry.name} is loaded and warm"
    if entry.phase is Phase.LOADING:
        return "loading", f"{entry.name}: {entry.activity}"
    if entry.phase is Phase.UNLOADING:
        return "unloading", f"{entry.name} is being unloaded"
    if entry.failure is not None:
        return "failed", entry.failure.message
    try:
        service.loader.check(entry)
    except ContinuoError as error:
        return "failed", error.message
    return "ready", f"{entry.name} is not loaded; a request for it loads it"
