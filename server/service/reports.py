"""What the metrics and the log are told of a job that has ended."""

from __future__ import annotations

import time

from loguru import logger

from server.errors import ContinuoError
from server.events import Cancelled, Failed, Outcome, State
from server.metrics import Metrics
from server.service.jobs import Job


def report(job: Job, outcome: Outcome, metrics: Metrics) -> None:
    """Count and measure `job`, which has just ended as `outcome`, and say so in the log."""
    metrics.requests.labels(job.dialect, job.info.name, job.state.value).inc()
    _measure(job, metrics)
    if isinstance(outcome, Failed):
        _say_why(job, outcome.error)
    elif isinstance(outcome, Cancelled):
        logger.info("Job {} cancelled: {}", job.id, outcome.reason)
    else:
        seconds = time.monotonic() - job.created_at
        logger.info(
            "Job {} completed: {} s of {} in {:.2f} s, seed {}",
            job.id, job.request.total_seconds, job.info.name, seconds, job.request.drawn_seed,
        )  # fmt: skip


def _measure(job: Job, metrics: Metrics) -> None:
    name = job.info.name
    metrics.first_event_seconds.labels(name).observe(job.log.first_at - job.created_at)
    if job.first_audio_at is not None:
        metrics.first_audio_seconds.labels(name).observe(job.first_audio_at - job.created_at)
    if job.state is State.COMPLETED and job.started_at is not None:
        seconds = time.monotonic() - job.started_at
        metrics.generation_seconds.labels(name).observe(seconds)
        metrics.realtime_factor.labels(name).observe(seconds / job.request.total_seconds)
        metrics.audio_seconds.labels(name).inc(job.request.total_seconds)


def _say_why(job: Job, error: ContinuoError) -> None:
    cause = error.__cause__
    logger.opt(exception=cause).error("Job {} failed: {}", job.id, error)
    if cause is not None:  # its frames hold the job, which holds it: megabytes in a circle
        cause.__traceback__ = None
