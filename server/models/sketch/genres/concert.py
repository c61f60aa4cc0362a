"""From the concert hall and the cinema: classical piano, waltz, cinematic."""

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

CLASSICAL_PIANO = Genre(
    name="classical piano",
    bpm=(76, 116),
    modes=("major", "minor"),
    major=("I|V7|I|V7|I|IV|I V7|I", "I|vi|ii7|V7", "I|IV|V7|I", "I|V|vi|iii|IV|I|ii7|V7"),
    minor=("i|V7|i|V7|i|iv|i V7|i", "i|VI|iidim|V7", "i|iv|V7|i", "i|VII|III|VI|iv|i|iidim|V7"),
    faders=Faders(0.0, -2.0, 1.0, 1.0),
    parts=(
        PartPlan(
            "chords",
            ("piano",),
            ("0-2-1-2-0-2-1-2-", "0-1-2-1-0-1-2-1-", "l-h-h-h-l-h-h-h-", "0-1-2-3-2-1-2-1-"),
            0.0,
            -3.0,
            55,
            -0.1,
        ),
        PartPlan(
            "bass",
            ("piano",),
            ("1-------5-------", "1---------------", "1-------4-----a-"),
            0.45,
            -3.0,
            40,
            -0.15,
        ),
        PartPlan("lead", ("piano",), (), 0.1, 1.0, 76, 0.1),
        PartPlan("counter", ("piano",), (), 0.75, -5.0, 67),
    ),
    cadence_major="ii7 V7",
    cadence_minor="iidim V7",
    looseness_ms=10.0,
    singing=Singing(6.0, 0.12, 0.3, False, 4, 0.1),
    room=Room(1.9, 0.22),
)

WALTZ = Genre(
    name="waltz",
    bpm=(132, 168),
    beats_per_bar=3,
    modes=("major", "minor"),
    major=("I|I|V7|V7|V7|V7|I|I", "I|vi|ii|V7", "IV|I|V7|I", "I|VI7|II7|V7"),
    minor=("i|i|V7|V7|V7|V7|i|i", "i|iv|V7|i", "i|VI|iv|V7"),
    faders=Faders(-5.5, 1.0, 2.0, 2.0),
    parts=(
        PartPlan(
            "bass",
            ("cello", "upright_bass"),
            ("1--.........", "1--.........|4--........."),
            0.0,
            -1.0,
            40,
        ),
        PartPlan(
            "chords",
            ("pizzicato", "accordion", "piano"),
            ("....x-..x-..", "....x-..x-.."),
            0.0,
            -3.0,
            62,
            -0.2,
        ),
        PartPlan("lead", ("violin", "clarinet", "accordion"), (), 0.1, 0.0, 76, 0.1),
        PartPlan("pad", ("strings",), (), 0.55, -8.0, 64),
        PartPlan("counter", ("clarinet", "flute"), (), 0.75, -5.0, 69, 0.3),
    ),
    drums=Drums(
        "orchestral",
        (
            DrumLine("timpani", ("o...........|............",), 0.9),
            DrumLine("tambourine", ("....o...o...",), 0.95),
        ),
        (),
        -6.0,
        False,
    ),
    cadence_major="V7",
    cadence_minor="V7",
    looseness_ms=9.0,
    singing=Singing(3.5, 0.1, 0.35, False, 2, 0.1),
    room=Room(2.0, 0.24),
)

CINEMATIC = Genre(
    name="cinematic",
    bpm=(80, 132),
    modes=("minor", "dorian", "major", "lydian"),
    major=("I|V|vi|IV", "I|iii|IV|I", "IV|I|V|vi", "I|bVI|bVII|I"),
    minor=("i|VI|III|VII", "i|III|VII|iv", "i|VI|iv|V", "i|i|VI|VII", "i|v|VI|III"),
    faders=Faders(-4.0, 1.0, 1.5, 1.0),
    parts=(
        PartPlan("pad", ("slow_strings", "strings"), (), 0.0, -2.0, 58),
        PartPlan(
            "chords",
            ("strings", "pizzicato", "piano"),
            ("0.0.1.0.2.0.1.0.", "0.1.2.1.0.1.2.1.", "0.02.01.0.02.03.", "x.x.x.x.x.x.x.x."),
            0.25,
            -3.0,
            60,
            -0.35,
        ),
        PartPlan(
            "bass",
            ("cello", "low_brass"),
            ("1---------------", "1-------1-------", "1-.1..1-1-.1..1-"),
            0.2,
            -1.0,
            38,
        ),
        PartPlan("lead", ("horns", "violin", "trumpet", "choir"), (), 0.45, 1.0, 67),
        PartPlan("counter", ("violin", "strings"), (), 0.7, -4.0, 79, 0.3),
        PartPlan("pad", ("choir", "horns"), (), 0.85, -5.0, 64),
    ),
    drums=Drums(
        "orchestral",
        (
            DrumLine("taiko", ("x.....x.x.....x.", "x..x..x.x..x..xx", "x.......x......."), 0.5),
            DrumLine("timpani", ("x...............", "x.......x......."), 0.4),
            DrumLine("tom_low", ("..x.xx....x.xx..",), 0.8),
            DrumLine("snare", ("....o.oo....o.oo",), 0.95),
        ),
        (
            (("taiko", "........x.x.xxxx"), ("timpani", "............xxxx")),
            (
                ("tom_high", "........xx......"),
                ("tom_low", "..........xx...."),
                ("taiko", "............xxxx"),
            ),
        ),
        1.0,
    ),
    cadence_major="V",
    cadence_minor="V",
    looseness_ms=8.0,
    singing=Singing(2.8, 0.1, 0.4, False, 2, 0.1),
    room=Room(3.2, 0.36),
)
