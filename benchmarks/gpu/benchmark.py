"""The order in which everything is measured, the important first, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache, partial

from benchmarks.gpu import checks, loaded, steps, streams, targets
from benchmarks.gpu.checks import Check, check_outputs
from benchmarks.gpu.device import Device
from benchmarks.gpu.listening import engine_of
from benchmarks.gpu.loaded import Footprint, Loaded
from benchmarks.gpu.report import Report, Table, free_memory, say
from benchmarks.gpu.steps import Course, Pace, measure_steps
from benchmarks.gpu.streams import Concert, measure_streams
from benchmarks.random_checkpoint import shape_of
from benchmarks.random_musicgen import SHAPES
from server.models.devices import choose_device
from server.models.musicgen.devices import choose_precision
from server.models.musicgen.engine import Engine


@dataclass(frozen=True)
class Plan:
    """What is measured; of `shapes` and `streams` the important first.

    `batches` are requests in a step, those of `peer_batches` beside transformers.
    """

    device: str = "cuda"
    precision: str = "auto"
    minutes: float = 7.5
    shapes: Sequence[str] = ("large", "small", "medium", "stereo-small")
    batches: Sequence[int] = (1, 4, 16, 32, 48)
    peer_batches: Sequence[int] = (1, 16)
    positions: Sequence[int] = (0, 750, 1490)
    rounds: int = 8
    streams: Sequence[int] = (32, 48, 16, 8, 1)
    seconds: int = 20
    joining_seconds: float = 1.0
    from_host: Sequence[str] = ("small",)
    copy_bytes: int = 2**30


class Benchmark:
    """Raises `Unavailable` where there is no such device."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._device = Device(choose_device(plan.device))
        self._precision = choose_precision(plan.precision, self._device.device)
        self._report = Report(60 * plan.minutes)
        self._bandwidth = 0.0
        self.checks: Table[Check] = Table("Outputs, against the CPU's", checks.HEADER)
        self.steps: Table[Pace] = Table("Decode steps", steps.HEADER, steps.NOTE)
        self.streams: Table[Concert] = Table(
            f"Streams at once, joining within {plan.joining_seconds:g} s",
            streams.HEADER,
            streams.NOTE,
        )
        self.memory: Table[Footprint] = Table("Device memory", loaded.HEADER, loaded.NOTE)

    def check(self) -> None:
        """Raises `WrongOutput`."""
        say(self._conditions())
        widths = [name for name in self._plan.shapes if name in SHAPES]
        check_outputs(self.checks, self._device.device, self._precision, widths)

    def measure(self) -> None:
        self._bandwidth = self._device.copy_bandwidth(self._plan.copy_bytes)
        say(self._copied())
        for name in self._plan.shapes:
            self._measure(name)
            free_memory()
        for name in self._plan.from_host:
            self._load(name, from_host=True)
            free_memory()

    def _measure(self, name: str) -> None:
        model = self._load(name, from_host=False)
        if model is None:
            self._report.leave_out(f"{name}: steps and streams")
            return
        peers = self._plan.peer_batches
        self._measure_steps(name, model, peers, beside_transformers=True)
        self._measure_streams(name, model)
        others = [batch for batch in self._plan.batches if batch not in peers]
        self._measure_steps(name, model, others, beside_transformers=False)

    def _load(self, name: str, from_host: bool) -> Loaded | None:
        """Its footprint is what the row tells; the model is let go where nobody takes it."""
        made: list[Loaded] = []

        def load() -> Footprint:
            made.append(Loaded(shape_of(name), self._device, self._precision, from_host))
            return made[0].footprint

        way = "as from files" if from_host else "made there"
        self._report.measure(self.memory, (name, way), load)
        return made[0] if made else None

    def _measure_steps(
        self, name: str, model: Loaded, batches: Sequence[int], beside_transformers: bool
    ) -> None:
        plan = self._plan
        course = Course(model, self._device, self._bandwidth, max(plan.positions), plan.rounds)
        measure_steps(
            self._report, self.steps, name, course, batches, plan.positions, beside_transformers
        )
        free_memory()

    def _measure_streams(self, name: str, model: Loaded) -> None:
        plan, report = self._plan, self._report
        with ExitStack() as stack:

            @cache
            def engine() -> Engine:
                model.make_room(max(plan.streams))
                return stack.enter_context(engine_of(model.runner))

            def concert(num_streams: int) -> Concert:
                seconds = plan.seconds, plan.joining_seconds, report.seconds_left
                return measure_streams(engine(), model.runner, self._device, num_streams, *seconds)

            for num_streams in plan.streams:
                report.measure(self.streams, (name, num_streams), partial(concert, num_streams))

    def markdown(self) -> str:
        """What has been measured so far."""
        plan = self._plan
        goals = Table[targets.Target](targets.TITLE, targets.HEADER, targets.NOTE)
        for goal in targets.targets(self.steps.results, self.streams.results, plan.positions):
            goals.add((goal.what,), goal)
        tables = (self.checks, self.steps, self.streams, self.memory, goals)
        left_out = "; ".join(self._report.left_out)
        ends = [f"Left out, for want of time or of the model: {left_out}."] if left_out else []
        today = f"{datetime.now(timezone.utc):%Y-%m-%d}. {self._conditions()}"
        return "\n\n".join([today, self._copied(), *(each.markdown() for each in tables), *ends])

    def _conditions(self) -> str:
        shapes = "random weights of the official models' shapes"
        return f"{self._device.describe()}; {shapes}, {self._precision}."

    def _copied(self) -> str:
        size = self._plan.copy_bytes / 2**30
        return (
            f"Memory is copied at {self._bandwidth / 1e9:.0f} GB/s: blocks of {size:g} GiB, bytes "
            "read and written, the median."
        )
