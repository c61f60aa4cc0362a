"""The mixer: tracks to four buses, buses to effects, all to the master."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from server.models.sketch.composition.score import BUSES, TICKS_PER_BEAT, Bus, Score
from server.models.sketch.mixing.ducking import Ducking
from server.models.sketch.mixing.echo import Echo
from server.models.sketch.mixing.finish import Finish
from server.models.sketch.mixing.limiter import LOOKAHEAD, STEP
from server.models.sketch.mixing.master import Master
from server.models.sketch.mixing.reverb import Reverb
from server.models.sketch.mixing.track import Track
from server.models.sketch.synthesis.bank import SoundBank
from server.models.sketch.synthesis.signal import SAMPLE_RATE, Signal

_SENDS: Mapping[Bus, float] = {"drums": 0.35, "bass": 0.05, "harmony": 1.0, "melody": 1.0}
_DUCKED: tuple[Bus, ...] = ("bass", "harmony")


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of sound, float64 [2, n] on the 16-bit grid; `stems`, if asked for, sum to it."""

    mix: Signal
    stems: Mapping[Bus, Signal] | None = None


def rendered(score: Score, finish: Finish, stems: bool = False) -> Iterator[Stretch]:
    """The piece, bar by bar (the first bar beat by beat), exactly as long as it was asked for."""
    desk = _Desk(score, finish, stems)
    master = Master(score, finish)
    start = 0
    for stop in _stops(score):
        mix, buses = desk.mixed(start, stop)
        finished = master.finished(mix, buses)
        start = stop
        if finished.shape[-1]:
            yield Stretch(
                finished[0], dict(zip(BUSES, finished[1:], strict=True)) if stems else None
            )


def _stops(score: Score) -> Iterator[int]:
    """The samples at which stretches end: whole limiter steps, up to the end and its latency."""
    end = -(-(score.duration_seconds * SAMPLE_RATE + LOOKAHEAD) // STEP) * STEP
    ticks, last = 0, 0
    while last < end:
        ticks += TICKS_PER_BEAT if ticks < score.bar_ticks else score.bar_ticks
        stop = score.samples_at(ticks, SAMPLE_RATE) // STEP * STEP
        if stop > LOOKAHEAD:  # so that the first stretch holds sound
            last = min(stop, end)
            yield last


class _Desk:
    """Tracks, effects and their state, before the master."""

    def __init__(self, score: Score, finish: Finish, stems: bool) -> None:
        room, bank = finish.room, SoundBank(finish.shine)
        self._room, self._stems = room, stems
        self._tracks = [Track(score, part, bank) for part in score.parts]
        self._ducking = Ducking(score, room.ducking)
        beat = SAMPLE_RATE * 60.0 / score.bpm
        self._echo = Echo(round(beat * room.echo_beats)) if room.echo else None
        names = ("mix", *BUSES) if stems else ("mix",)
        self._reverbs = {name: Reverb(room.reverb_seconds) for name in names}

    def mixed(self, start: int, stop: int) -> tuple[Signal, list[Signal]]:
        """The mix [2, n] from sample `start` to `stop`, and the buses if stems are wanted."""
        dry = self._dry(start, stop)
        total = np.zeros((2, stop - start))
        send = np.zeros(stop - start)
        for bus, sound in dry.items():
            total += sound
            send += _send(bus, sound)
        total += self._reverberation("mix", send)
        if not self._stems:
            return total, []
        silence = np.zeros((2, stop - start))
        return total, [self._stem(bus, dry.get(bus, silence)) for bus in BUSES]

    def _stem(self, bus: Bus, sound: Signal) -> Signal:
        stem: Signal = sound + self._reverberation(bus, _send(bus, sound))
        return stem

    def _reverberation(self, name: str, send: Signal) -> Signal:
        wet: Signal = self._reverbs[name](send) * self._room.reverb
        return wet

    def _dry(self, start: int, stop: int) -> dict[Bus, Signal]:
        """The buses before the reverb: tracks added up, ducked, echoed."""
        buses: dict[Bus, Signal] = {}
        for track in self._tracks:
            sound = track.rendered(stop - start)
            if sound is not None:
                bus = track.part.bus
                buses[bus] = buses[bus] + sound if bus in buses else sound
        self._duck(buses, start, stop)
        if self._echo is not None:
            melody = buses.get("melody", np.zeros((2, stop - start)))
            buses["melody"] = melody + self._echo(0.5 * (melody[0] + melody[1])) * self._room.echo
        return buses

    def _duck(self, buses: dict[Bus, Signal], start: int, stop: int) -> None:
        if self._ducking:
            curve = self._ducking.curve(start, stop)
            for bus in _DUCKED:
                if bus in buses:
                    buses[bus] *= curve


def _send(bus: Bus, sound: Signal) -> Signal:
    send: Signal = (sound[0] + sound[1]) * (0.5 * _SENDS[bus])
    return send
