"""Machines that dream and play: ambient, synthwave, chiptune."""

from __future__ import annotations

from server.models.sketch.genres.genre import (
    DrumLine,
    Drums,
    Faders,
    Genre,
    PartPlan,
    Room,
    Singing,
)

AMBIENT = Genre(
    name="ambient",
    shine=0.8,
    bpm=(60, 76),
    modes=("major", "lydian", "minor"),
    major=("Imaj9|Imaj9|IVmaj9|IVmaj9", "Iadd9|vi9|IVmaj9|Vsus4", "Imaj9|iii7|vi9|IVmaj7"),
    minor=("i9|i9|VImaj7|VImaj7", "iadd9|VImaj7|iv9|IIImaj7", "i9|IIImaj7|VImaj7|v7"),
    faders=Faders(0.0, -2.0, -3.5, 4.0),
    parts=(
        PartPlan("pad", ("warm_pad", "glass_pad", "choir"), (), 0.0, 0.0, 58),
        PartPlan("bass", ("sub_bass",), ("1---------------",), 0.3, -4.0, 38),
        PartPlan(
            "chords",
            ("bells", "felt_piano", "music_box", "harp"),
            (
                "0---..2---..3---|1---..3---......",
                "..0--2--3--2--1-",
                "0-------2---3---|....3-----..1---",
            ),
            0.0,
            -5.0,
            70,
            0.3,
        ),
        PartPlan("pad", ("slow_strings", "glass_pad"), (), 0.6, -5.0, 69),
        PartPlan("lead", ("felt_piano", "flute", "soft_lead"), (), 0.4, -3.0, 74, -0.15),
    ),
    cadence_major="IVmaj9",
    cadence_minor="iv9",
    final_major="Imaj9",
    final_minor="iadd9",
    looseness_ms=14.0,
    singing=Singing(2.0, 0.1, 0.35, True, 2, 0.3),
    room=Room(4.5, 0.55, 0.35, 1.5),
)

SYNTHWAVE = Genre(
    name="synthwave",
    bpm=(84, 112),
    modes=("minor", "major"),
    major=("I|V|vi|IV", "IV|V|vi|iii", "vi|IV|I|V"),
    minor=("i|VI|III|VII", "VI|VII|i|i", "i|VII|VI|v", "i|iv|VI|VII"),
    faders=Faders(-3.5, 4.5, -0.5, -0.5),
    parts=(
        PartPlan(
            "bass",
            ("synth_bass",),
            ("1.1.1.1.1.1.1.1.", "1111111111111111", "1.1.1.8.1.1.5.8."),
            0.1,
            0.0,
            34,
        ),
        PartPlan("pad", ("poly_synth", "warm_pad"), (), 0.0, -3.0, 60),
        PartPlan(
            "chords",
            ("pluck_synth", "bells"),
            ("0.1.2.3.2.1.2.3.", "0123012301230123", "0.2.1.3.0.2.1.3."),
            0.5,
            -4.0,
            69,
            0.35,
        ),
        PartPlan(
            "chords", ("brass",), ("x-------........", "x---..x---......"), 0.85, -6.0, 62, -0.3
        ),
        PartPlan("lead", ("saw_lead", "square_lead"), (), 0.5, 0.0, 74),
    ),
    drums=Drums(
        "gated",
        (
            DrumLine("kick", ("x.......x.......", "x...x...x...x...", "x.....x.x......."), 0.2),
            DrumLine("snare", ("....X.......X...",), 0.2),
            DrumLine("hat", ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo"), 0.3),
        ),
        (
            (
                ("tom_high", "........xx......"),
                ("tom_mid", "..........xx...."),
                ("tom_low", "............xxxx"),
            ),
            (("snare", "........x...x.xx"),),
        ),
    ),
    cadence_major="V",
    cadence_minor="VII",
    looseness_ms=1.5,
    singing=Singing(4.5, 0.35, 0.3, False, 4, 0.2),
    room=Room(2.4, 0.26, 0.3, 0.75, 0.3),
)

CHIPTUNE = Genre(
    name="chiptune",
    shine=1.3,
    bpm=(130, 165),
    modes=("major", "minor", "mixolydian"),
    major=("I|V|vi|IV", "I|bVII|IV|I", "IV|V|iii|vi", "I|vi|ii|V"),
    minor=("i|VI|III|VII", "i|VII|VI|V", "i|iv|VII|III"),
    faders=Faders(-2.0, -1.5, 4.5, 0.0),
    parts=(
        PartPlan(
            "bass", ("triangle_bass",), ("1.8.1.8.1.8.1.8.", "1.1.5.5.1.1.8.8."), 0.1, 0.0, 40
        ),
        PartPlan(
            "chords",
            ("pulse_arpeggio",),
            ("0120120120120120", "0.1.2.1.0.1.2.1.", "012.012.012.012."),
            0.0,
            -5.0,
            64,
            0.3,
        ),
        PartPlan("lead", ("square_lead",), (), 0.3, 0.0, 76),
        PartPlan("counter", ("pulse_arpeggio",), (), 0.7, -6.0, 67, -0.3),
    ),
    drums=Drums(
        "chip",
        (
            DrumLine("kick", ("x.......x.......", "x..x....x.x....."), 0.2),
            DrumLine("snare", ("....x.......x...", "....x.......x.x."), 0.2),
            DrumLine("hat", ("..x...x...x...x.", "x.x.x.x.x.x.x.x."), 0.3),
        ),
        ((("snare", "........x.x.xxxx"),), (("snare", "........xx.xxx.x"),)),
        0.0,
        False,
    ),
    cadence_major="V7",
    cadence_minor="V",
    looseness_ms=0.0,
    singing=Singing(7.0, 0.4, 0.35, False, 4, 0.1),
    room=Room(0.6, 0.04, 0.18, 0.75),
)
