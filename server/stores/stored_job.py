"""A job as it is stored: what was wanted, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import RowMapping

from server.events import State, Warning
from server.generation import GenerationRequest, Recording, WeightedPrompt

FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True)
class NewJob:
    """A job to be stored. `request` is resolved: it has its model, duration and seed."""

    id: str
    dialect: str
    request: GenerationRequest
    request_id: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class IdempotencyKey:
    """The caller's name for a submission, and a digest of it: the same name again is the same
    submission, sent once more because its answer was lost."""

    name: str
    digest: str


@dataclass(frozen=True)
class Ending:
    """How a job ended. `num_events` are in its log; `outputs` are names of files."""

    state: State
    num_events: int = 0
    progress: float = 0.0
    outputs: tuple[str, ...] = ()
    warnings: tuple[Warning, ...] = ()
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True)
class StoredJob(NewJob):
    """A row of the store. Times are seconds since 1970; `attempt` counts how often it was begun."""

    number: int
    state: State
    attempt: int
    progress: float
    created_at: float
    started_at: float | None
    ended_at: float | None
    expires_at: float | None
    expired: bool
    error_code: str | None
    error_message: str | None
    warnings: tuple[Warning, ...]
    outputs: tuple[str, ...]
    num_events: int

    @property
    def finished(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def partial(self) -> bool:
        """It failed, but what was made before that is kept."""
        return self.state is State.FAILED and bool(self.outputs)

    @property
    def model(self) -> str:
        return self.request.model


def request_to_json(request: GenerationRequest) -> dict[str, Any]:
    """What it was sent and what was filled in; recordings are files (input_files.py)."""
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    if request.weighted_prompts is not None:
        values["weighted_prompts"] = [asdict(prompt) for prompt in request.weighted_prompts]
    return {
        name: value
        for name, value in values.items()
        if value is not None and not isinstance(value, Recording)
    }


def request_from_json(values: Mapping[str, Any]) -> GenerationRequest:
    """What `request_to_json` wrote, without the recordings."""
    known = dict(values)
    if (segments := known.get("edit_segments")) is not None:
        known["edit_segments"] = tuple((start, end) for start, end in segments)
    if (prompts := known.get("weighted_prompts")) is not None:
        known["weighted_prompts"] = tuple(WeightedPrompt(**prompt) for prompt in prompts)
    return GenerationRequest(**known)


def from_row(row: RowMapping) -> StoredJob:
    """A row of the table `jobs`."""
    known = {field.name: row[field.name] for field in fields(StoredJob)}
    return StoredJob(
        **{
            **known,
            "request": request_from_json(row["request"]),
            "state": State(row["state"]),
            "expired": bool(row["expired"]),
            "warnings": tuple(Warning(**warning) for warning in row["warnings"]),
            "outputs": tuple(row["outputs"]),
        }
    )
