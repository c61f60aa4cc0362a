"""The MIDI file is what was composed, as another program reads it."""

from __future__ import annotations

import io

import pytest

from server.models.sketch.midi import midi_of
from tests.models.sketch.pieces import score_of

mido = pytest.importorskip("mido", reason="mido reads the MIDI file back")


@pytest.mark.parametrize("prompt", ["jazz in F major", "waltz in E minor", "metal", "ambient"])
def test_a_midi_file_holds_the_score(prompt: str) -> None:
    score = score_of(prompt, 20)
    file = mido.MidiFile(file=io.BytesIO(midi_of(score)))
    assert file.type == 1
    assert len(file.tracks) == len(score.parts) + 1
    assert file.length == pytest.approx(20, abs=0.6)
    for part, track in zip(score.parts, file.tracks[1:], strict=True):
        ons = [message for message in track if message.type == "note_on"]
        assert len(ons) == len(part.notes)
        assert {m.channel for m in ons} == ({9} if part.bus == "drums" else {ons[0].channel})
        assert sorted(m.note for m in ons) == sorted(note.pitch for note in part.notes)


def test_tempo_metre_and_key_are_written() -> None:
    score = score_of("waltz at 150 bpm in E minor", 20)
    file = mido.MidiFile(file=io.BytesIO(midi_of(score)))
    told = {message.type: message for message in file.tracks[0]}
    assert mido.tempo2bpm(told["set_tempo"].tempo) == pytest.approx(150, abs=0.01)
    assert told["time_signature"].numerator == 3
    assert told["key_signature"].key == "Em"
