"""What is written: form, chords, voice leading, bass, drums, melody, endings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from server.models.sketch.composition.form import plan_form
from server.models.sketch.composition.harmony import Voicer
from server.models.sketch.composition.score import TICKS_PER_BEAT, Part, Score
from server.models.sketch.composition.theory import Key, bent_into, chord_in, melody_scale
from server.models.sketch.genres import GENRES
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.kits import MIDI_OF
from tests.models.sketch.pieces import score_of

C_MAJOR, A_MINOR = Key(0, "major"), Key(9, "minor")


def parts_of(score: Score, bus: str) -> list[Part]:
    return [part for part in score.parts if part.bus == bus]


@pytest.mark.parametrize(
    ("key", "symbol", "tones"),
    [
        (C_MAJOR, "ii7", (2, 5, 9, 0)),
        (C_MAJOR, "V7", (7, 11, 2, 5)),
        (C_MAJOR, "bVII", (10, 2, 5)),
        (C_MAJOR, "VI7b9", (9, 1, 4, 7, 10)),
        (A_MINOR, "VI", (5, 9, 0)),
        (A_MINOR, "V7", (4, 8, 11, 2)),
        (A_MINOR, "ii7b5", (11, 2, 5, 9)),
    ],
)
def test_roman_numerals(key: Key, symbol: str, tones: tuple[int, ...]) -> None:
    assert chord_in(key, symbol).tones == tones


@pytest.mark.parametrize("symbol", ["", "H7", "V77", "vx", "iV"])
def test_a_wrong_numeral_is_named(symbol: str) -> None:
    with pytest.raises(ValueError, match="chord"):
        chord_in(C_MAJOR, symbol)


def test_keys_have_names_and_signatures() -> None:
    assert (A_MINOR.name, A_MINOR.signature) == ("A minor", "C_MAJOR_A_MINOR")
    assert Key(3, "minor").name == "D♯ minor"
    assert Key(10, "major").name == "B♭ major"
    assert Key(2, "dorian").signature == "C_MAJOR_A_MINOR"


def test_the_scale_bends_to_the_chord() -> None:
    assert melody_scale(A_MINOR, chord_in(A_MINOR, "V7")) == (0, 2, 4, 5, 8, 9, 11)
    assert set(melody_scale(C_MAJOR, chord_in(C_MAJOR, "I"), True)) == {0, 2, 4, 7, 9}


@pytest.mark.parametrize("symbol", ["bII", "IV9", "VI7b9", "II9", "bVII13", "iv6"])
@pytest.mark.parametrize("key", [C_MAJOR, A_MINOR])
def test_chords_can_be_bent_into_the_scale(key: Key, symbol: str) -> None:
    assert set(bent_into(key, chord_in(key, symbol)).tones) <= set(key.scale)


@pytest.mark.parametrize("progression", ["I vi ii7 V7 I", "ii9 V13 Imaj9 VI7b9 ii9", "I V vi IV"])
def test_voices_move_little(progression: str) -> None:
    voicer = Voicer(60)
    voicings = [voicer.voiced(chord_in(C_MAJOR, symbol)) for symbol in progression.split()]
    for before, after in pairwise(voicings):
        if len(before) == len(after):
            moves = [abs(a - b) for a, b in zip(before, after, strict=True)]
            assert max(moves) <= 7
            assert sum(moves) / len(moves) <= 3.5
    assert all(45 <= pitch <= 78 for voicing in voicings for pitch in voicing)


@pytest.mark.parametrize("seconds", [1, 2, 3, 4, 6, 10, 15, 20, 30, 45, 60, 120, 300])
@pytest.mark.parametrize("bpm", [40, 73, 120, 174, 240])
def test_the_form_fits_any_duration(seconds: int, bpm: int) -> None:
    form = plan_form(seconds, bpm, 4, 0.5)
    final_seconds = form.final_ticks / TICKS_PER_BEAT * 60 / bpm
    assert 0.35 <= seconds - final_seconds <= 3.3 + 4 * 60 / bpm
    covered = [bar for s in form.sections for bar in range(s.first_bar, s.last_bar + 1)]
    assert covered == list(range(form.num_bars))


def test_a_long_piece_has_an_intro_a_break_and_returns() -> None:
    names = [section.name for section in plan_form(180, 120, 4, 0.5).sections]
    assert names[0] == "intro"
    assert names[-1] == "outro"
    assert "break" in names
    assert names.count("A") >= 2
    assert names.count("B") >= 2


def test_the_blues_has_twelve_bars() -> None:
    score = score_of("blues in A, 100 bpm", 90)
    chorus = next(section for section in score.sections if section.num_bars == 12)
    chords = [
        span for span in score.chords if span.start_ticks // score.bar_ticks >= chorus.first_bar
    ]
    roots = [(span.chord.root - score.key.tonic) % 12 for span in chords]
    assert {0, 5, 7} <= set(roots[:14])


@pytest.mark.parametrize("genre", sorted(GENRES))
class TestEveryGenre:
    """Rules that hold in whatever style."""

    def test_it_ends_on_the_tonic(self, genre: str) -> None:
        score = score_of(genre, 24)
        held = [n for part in score.parts for n in part.notes if n.start_ticks >= score.final_ticks]
        assert held
        for part in parts_of(score, "bass"):
            last = max(part.notes)
            assert last.pitch % 12 == score.key.tonic

    def test_the_bass_is_low_and_on_the_root(self, genre: str) -> None:
        score = score_of(genre, 24)
        for part in parts_of(score, "bass"):
            pitches = [note.pitch for note in part.notes]
            assert 26 <= np.median(pitches) <= 50
            starts = {note.start_ticks for note in part.notes}
            assert len(starts) > len(part.notes) * 0.9  # one note at a time

    def test_registers_are_apart(self, genre: str) -> None:
        score = score_of(genre, 40)
        medians = {
            bus: np.median([n.pitch for part in parts_of(score, bus) for n in part.notes])
            for bus in ("bass", "harmony", "melody")
            if parts_of(score, bus)
        }
        if "bass" in medians and "harmony" in medians:
            assert medians["bass"] < medians["harmony"] - 5
        if "melody" in medians and "harmony" in medians:
            assert medians["harmony"] < medians["melody"] + 6

    def test_notes_fit_their_instruments(self, genre: str) -> None:
        for part in score_of(genre, 40).parts:
            assert part.notes == tuple(sorted(part.notes))
            for note in part.notes:
                assert note.start_ticks >= 0
                assert note.duration_ticks > 0
                assert 0.0 < note.velocity <= 1.0
            if part.bus != "drums":
                known = INSTRUMENTS[part.instrument]
                assert all(known.low <= note.pitch <= known.high for note in part.notes)

    def test_the_melody_is_of_the_scale(self, genre: str) -> None:
        score = score_of(genre, 40, scale="G_MAJOR_E_MINOR")
        pitches = [n.pitch % 12 for part in parts_of(score, "melody") for n in part.notes]
        outside = sum(pitch not in score.key.scale for pitch in pitches)
        assert outside <= 0.1 * len(pitches)

    def test_seeds_make_different_pieces(self, genre: str) -> None:
        assert score_of(genre, 20, seed=1).parts != score_of(genre, 20, seed=2).parts


def test_the_melody_returns_with_its_section() -> None:
    score = score_of("pop in C major, 120 bpm", 60, seed=4)
    (lead,) = [part for part in score.parts if part.name.endswith("(lead)")]
    first, second = [s for s in score.sections if s.name == "A"][:2]

    def tune(first_bar: int) -> list[tuple[int, int]]:
        start = first_bar * score.bar_ticks
        inside = [n for n in lead.notes if 0 <= n.start_ticks - start + 60 < 3 * score.bar_ticks]
        return [(round((n.start_ticks - start) / 240), n.pitch) for n in inside]

    assert len(tune(first.first_bar)) >= 6
    assert tune(first.first_bar) == tune(second.first_bar)


def test_fills_and_crashes_mark_the_form() -> None:
    score = score_of("rock, 120 bpm", 60)
    drums = next(part for part in score.parts if part.bus == "drums")
    crashes = [n.start_ticks for n in drums.notes if n.pitch == MIDI_OF["crash"]]
    strong = [s for s in score.sections if s.intensity >= 0.5]
    for section in strong:
        at = section.first_bar * score.bar_ticks
        assert any(abs(at - crash) < 100 for crash in crashes)


def test_swing_delays_the_off_beat() -> None:
    score = score_of("lofi in C, 80 bpm", 40)
    drums = next(part for part in score.parts if part.bus == "drums")
    hats = [n.start_ticks % 480 for n in drums.notes if n.pitch == MIDI_OF["hat"]]
    late = [at for at in hats if 200 < at < 400]
    assert not late or 240 < np.mean(late) < 330


def test_hands_are_uneven_machines_are_not() -> None:
    def spread(genre: str) -> float:
        score = score_of(f"{genre} at 120 bpm", 30)
        notes = [n for part in parts_of(score, "bass") for n in part.notes]
        off = [(n.start_ticks + 120) % 240 - 120 for n in notes]
        return float(np.std(off))

    assert spread("folk") > 3.0
    assert spread("chiptune") < 1.0


def test_density_is_heard_in_the_number_of_notes() -> None:
    for genre in ("house", "jazz", "pop", "lofi", "guofeng"):
        counts = [
            sum(len(part.notes) for part in score_of(genre, 30, density=d, bpm=100).parts)
            for d in (0.0, 0.5, 1.0)
        ]
        assert counts[0] < counts[1] < counts[2], genre


def test_sections_grow() -> None:
    score = score_of("pop, 120 bpm", 60)

    def num_players(name: str) -> int:
        section = next(s for s in score.sections if s.name == name)
        start, length = section.first_bar * score.bar_ticks, section.num_bars * score.bar_ticks
        return sum(
            any(start <= n.start_ticks < start + length - 60 for n in part.notes)
            for part in score.parts
        )

    assert num_players("intro") < num_players("A") < num_players("B")
