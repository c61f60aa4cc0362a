"""Writes a score as a Standard MIDI File of format 1 (MIDI Association, RP-001)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from server.models.sketch.composition.score import TICKS_PER_BEAT, Part, Score
from server.models.sketch.composition.theory import SIGNATURES
from server.models.sketch.synthesis.instruments import INSTRUMENTS

_DRUM_CHANNEL = 9
_CHANNELS = tuple(channel for channel in range(16) if channel != _DRUM_CHANNEL)
_SHARPS_OF = {0: 0, 7: 1, 2: 2, 9: 3, 4: 4, 11: 5, 5: -1, 10: -2, 3: -3, 8: -4, 1: -5, 6: -6}

Event = tuple[int, int, bytes]  # tick, rank among those of the same tick, message


def midi_of(score: Score) -> bytes:
    """The file: a track for tempo, metre and key, then one for each part.

    Swing and the unevenness of hands are in the note times; drums are on channel 10, other parts
    have a channel each as long as there are any.
    """
    tracks = [_conductor(score)]
    pitched = 0
    for part in score.parts:
        if part.bus == "drums":
            tracks.append(_track(part, _DRUM_CHANNEL, 0))
            continue
        program = INSTRUMENTS[part.instrument].program
        tracks.append(_track(part, _CHANNELS[pitched % len(_CHANNELS)], program))
        pitched += 1
    header = b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), TICKS_PER_BEAT)
    return header + b"".join(tracks)


def _conductor(score: Score) -> bytes:
    microseconds = round(60_000_000 / score.bpm)
    major = SIGNATURES.index(score.key.signature)
    sharps = _SHARPS_OF[major] & 0xFF
    events: list[Event] = [
        (0, 0, _meta(0x51, microseconds.to_bytes(3, "big"))),
        (0, 1, _meta(0x58, bytes([score.beats_per_bar, 2, 24, 8]))),
        (0, 2, _meta(0x59, bytes([sharps, int(score.key.minor)]))),
    ]
    for section in score.sections:
        text = section.name.encode()
        events.append((section.first_bar * score.bar_ticks, 3, _meta(0x06, text)))
    return _chunk(events)


def _track(part: Part, channel: int, program: int) -> bytes:
    pan = min(max(round(64 + 63 * part.pan), 0), 127)
    events: list[Event] = [
        (0, 0, _meta(0x03, part.name.encode())),
        (0, 1, bytes([0xC0 | channel, program])),
        (0, 2, bytes([0xB0 | channel, 10, pan])),
    ]
    for note in part.notes:
        velocity = min(max(round(127 * note.velocity), 1), 127)
        start, end = note.start_ticks, note.start_ticks + max(note.duration_ticks, 1)
        events.append((start, 4, bytes([0x90 | channel, note.pitch, velocity])))
        events.append((end, 3, bytes([0x80 | channel, note.pitch, 0])))
    return _chunk(events)


def _chunk(events: Iterable[Event]) -> bytes:
    """A track chunk: messages in order of time, each after its delay."""
    body, last = bytearray(), 0
    for tick, _, message in sorted(events):
        body += _variable_length(tick - last) + message
        last = tick
    body += _variable_length(0) + _meta(0x2F, b"")
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def _meta(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + _variable_length(len(content)) + content


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, the highest first, all but the last marked."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.insert(0, (number & 0x7F) | 0x80)
    return bytes(groups)
