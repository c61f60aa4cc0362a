"""Decode steps at a position: how many a second, of how many the memory would allow, and against
transformers' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.decode_peers import StepAt, transformers_step
from benchmarks.gpu.device import Device
from benchmarks.gpu.loaded import Loaded
from benchmarks.gpu.report import Report, Table, in_words
from benchmarks.race import Contender, race, times_as_fast
from benchmarks.standing import Standing, bytes_of_step
from server.models.musicgen.devices import DTYPES, choose_precision

STEPS_A_ROUND = 6
#: A row is about a shape, so many requests, and where they stand.
HEADER = [
    *("shape", "requests", "position", "steps a second", "ms a step"),
    *("GB to read a step", "of the bound", "times transformers"),
]
NOTE = f"""\
A step takes the newest column of each request; its tokens, drawn with guidance, come to the CPU.
It has to read the weights of its products once, and the keys and values of all positions up to
there, in both rows of all requests: the bound is as many steps as that allows at the bandwidth of
copying. Ours and transformers' run in turn, in the same format, or ours in int8 and theirs in what
PRECISION=auto is here; medians of rounds of
{STEPS_A_ROUND} steps each. Transformers' are forward passes with a growing cache, without guidance
and drawing."""


@dataclass(frozen=True)
class Pace:
    """`share` is of the bound; `against` is None where there is no telling, for a reason."""

    steps_per_second: float
    bytes_per_step: int
    share: float
    against: float | None
    reason: str = ""

    @property
    def cells(self) -> list[str]:
        return [
            f"{self.steps_per_second:.1f}",
            f"{1000 / self.steps_per_second:.2f}",
            f"{self.bytes_per_step / 1e9:.2f}",
            f"{100 * self.share:.0f} %",
            self.reason if self.against is None else f"{self.against:.1f}×",
        ]


def share_of_bound(bytes_per_step: int, seconds: float, bandwidth: float) -> float:
    """Of a step: the time that its bytes take at `bandwidth`, to the time that it took."""
    return bytes_per_step / bandwidth / seconds


class Course:
    """Where steps of `loaded` are measured; a row takes `num_rounds` rounds of everybody."""

    def __init__(
        self, loaded: Loaded, device: Device, bandwidth: float, longest: int, num_rounds: int
    ) -> None:
        self._loaded = loaded
        self._device = device
        self._bandwidth = bandwidth
        self._num_rounds = num_rounds
        self._standing = Standing(loaded.backend, longest + 1)
        self._peer: StepAt | None = None

    @torch.inference_mode()
    def alone(self, num_requests: int, position: int) -> Pace:
        return self._pace(self._ours(num_requests, position), None, "–")

    @torch.inference_mode()
    def beside_transformers(self, num_requests: int, position: int) -> Pace:
        """In turn with transformers' forward passes; if these fail, the row says so."""
        ours = self._ours(num_requests, position)
        try:
            theirs, reason = self._theirs(num_requests, position), ""
        except Exception as error:
            theirs, reason = None, in_words(error)
        return self._pace(ours, theirs, reason)

    def _pace(self, ours: Contender, theirs: Contender | None, reason: str) -> Pace:
        contenders = [ours] if theirs is None else [theirs, ours]
        race(contenders, self._num_rounds, STEPS_A_ROUND, self._device.synchronize)
        share = share_of_bound(ours.bytes_per_step, 1 / ours.steps_per_second, self._bandwidth)
        against = None if theirs is None else times_as_fast(ours, theirs)
        return Pace(ours.steps_per_second, ours.bytes_per_step, share, against, reason)

    def _ours(self, num_requests: int, position: int) -> Contender:
        loaded, backend = self._loaded, self._loaded.backend
        num_bytes = bytes_of_step(
            backend.config,
            DTYPES[loaded.precision].itemsize if loaded.precision in DTYPES else 1,
            backend.bytes_per_position,
            num_requests * (position + 1),
        )
        step = self._standing.drawing_step(num_requests, position, self._device.device)
        return Contender("ours", num_requests, step, num_bytes)

    def _theirs(self, num_requests: int, position: int) -> Contender:
        if self._peer is None:
            device = self._device.device
            own = self._loaded.precision
            theirs = own if own in DTYPES else choose_precision("auto", device)
            self._peer = transformers_step(self._loaded.raw, DTYPES[theirs], device)
        step = self._peer(position, num_requests)
        step(0)  # there may be no memory for it
        return Contender("transformers", num_requests, step)


def measure_steps(
    report: Report,
    table: Table[Pace],
    name: str,
    course: Course,
    batches: Sequence[int],
    positions: Sequence[int],
    beside_transformers: bool,
) -> None:
    """Rows of the largest batch first: who has memory for it has it for the others."""
    for num_requests in sorted(batches, reverse=True):
        for position in positions:
            measure = course.beside_transformers if beside_transformers else course.alone
            work = partial(measure, num_requests, position)
            report.measure(table, (name, num_requests, position), work)
