"""Jazz, blues and bossa nova."""

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

JAZZ = Genre(
    name="jazz",
    bpm=(112, 176),
    modes=("major", "minor"),
    major=(
        "ii9|V13|Imaj9|VI7b9",
        "Imaj7 vi7|ii7 V7|iii7 VI7b9|ii7 V13",
        "Imaj9|iv7 bVII9|iii7 VI7|ii9 V13",
        "IVmaj7|iv6|iii7 VI7b9|ii9 V13",
    ),
    minor=(
        "i6|ii7b5 V7b9|i6|ii7b5 V7b9",
        "iv7|VII9|IIImaj7|VImaj7|ii7b5|V7b9|i6|V7alt",
        "i7|iv9|ii7b5|V7b9",
    ),
    faders=Faders(-2.5, 0.5, 2.5, -0.5),
    parts=(
        PartPlan("walking", ("upright_bass",), (), 0.2, 0.0, 40),
        PartPlan(
            "chords",
            ("piano", "electric_guitar", "vibraphone"),
            ("x-...x......", ".....x--....|..x-.....x..", "..x-.....x-.|x--..x......"),
            0.0,
            -3.0,
            61,
            0.25,
        ),
        PartPlan("lead", ("saxophone", "trumpet", "piano", "vibraphone"), (), 0.4, 0.0, 69),
        PartPlan("counter", ("muted_trumpet", "horns"), (), 0.9, -6.0, 64, -0.3),
    ),
    drums=Drums(
        "brush",
        (
            DrumLine("ride", ("x..x.xx..x.x", "x..x..x..x.x"), 0.2),
            DrumLine("pedal", ("...x.....x..",), 0.2),
            DrumLine("kick", ("o..o..o..o..",), 0.4),
            DrumLine("snare", (".....o......|........o..o", "........o..."), 0.5),
        ),
        (
            (("snare", "......xoxx.x"), ("kick", "...........x")),
            (("tom_high", "......xx...."), ("tom_low", "........xxx.")),
        ),
        0.0,
        False,
    ),
    cadence_major="ii9 V13",
    cadence_minor="ii7b5 V7b9",
    final_major="I69",
    final_minor="i6",
    looseness_ms=9.0,
    singing=Singing(6.0, 0.5, 0.35, False, 3, 0.25),
    room=Room(1.2, 0.16),
)

BLUES = Genre(
    name="blues",
    bpm=(72, 108),
    modes=("mixolydian", "minor"),
    major=(
        "I7|IV7|I7|I7|IV7|IV7|I7|I7|V7|IV7|I7|V7",
        "I7|I7|I7|I7|IV7|IV7|I7|VI7|ii7|V7|I7 IV7|I7 V7",
        "I7|IV7|I7|V7",
        "I7|I7|IV7|I7|V7|IV7|I7|V7",
    ),
    minor=(
        "i7|i7|i7|i7|iv7|iv7|i7|i7|VI7|V7|i7|V7",
        "i7|iv7|i7|i7|iv7|iv7|i7|i7|v7|iv7|i7|v7",
        "i7|iv7|i7|v7",
        "i7|i7|iv7|i7|v7|iv7|i7|V7",
    ),
    faders=Faders(-2.5, 1.5, 0.5, 0.0),
    parts=(
        PartPlan(
            "bass",
            ("electric_bass", "upright_bass"),
            ("1-.3-.5-.7-.", "1-.1-.5-.7-.", "1-.8-.7-.5-."),
            0.1,
            0.0,
            38,
        ),
        PartPlan(
            "chords",
            ("organ", "piano"),
            ("...x-.....x-", "x-----h-----", "..x..x..x..x"),
            0.0,
            -4.0,
            60,
            0.35,
        ),
        PartPlan(
            "chords",
            ("electric_guitar",),
            ("d..d.u..d..u", "...d.....d..", "d-ud-ud-ud-u"),
            0.3,
            -4.0,
            57,
            -0.35,
        ),
        PartPlan("lead", ("lead_guitar", "harmonica", "saxophone"), (), 0.4, 0.0, 70),
    ),
    drums=Drums(
        "acoustic",
        (
            DrumLine("kick", ("x.....x....x", "x....xx....."), 0.2),
            DrumLine("snare", ("...X.....X..", "...X.....X.o"), 0.2),
            DrumLine("hat", ("x.xx.xx.xx.x", "xoxxoxxoxxox"), 0.1),
            DrumLine("ride", ("x.xx.xx.xx.x",), 0.9),
        ),
        (
            (("snare", "......x.xx.x"), ("tom_low", ".........x.x")),
            (("tom_high", "......xxx..."), ("tom_low", ".........xxx")),
        ),
        0.0,
        True,
    ),
    cadence_major="V7",
    cadence_minor="V7",
    final_major="I9",
    final_minor="i7",
    looseness_ms=9.0,
    phrase_bars=12,
    singing=Singing(5.0, 0.5, 0.3, True, 3, 0.35),
    room=Room(1.2, 0.15),
)

BOSSA_NOVA = Genre(
    name="bossa nova",
    bpm=(118, 140),
    modes=("major", "minor"),
    major=(
        "Imaj9|Imaj9|II9|II9|ii9|V13|Imaj9|bII9",
        "Imaj7|VI7b9|ii9|V13",
        "IVmaj7|bVII9|Imaj9|VI7b9",
        "Imaj9|iii7|ii9|V13",
    ),
    minor=("i9|iv9|VII9|IIImaj7", "i6|ii7b5|V7b9|i6", "iv9|VII13|IIImaj9|VImaj7"),
    faders=Faders(0.5, 0.0, -2.5, -2.0),
    parts=(
        PartPlan("bass", ("upright_bass",), ("1-----5-4-----4-", "1-----5-5-----1-"), 0.1, 0.0, 38),
        PartPlan(
            "chords",
            ("nylon_guitar",),
            ("x--x--x---x--x--", "x--x--..x--x--x-", "..x-x--x..x-x---"),
            0.0,
            0.0,
            60,
            -0.2,
        ),
        PartPlan("lead", ("flute", "saxophone", "nylon_guitar", "piano"), (), 0.4, 0.0, 72),
        PartPlan("pad", ("slow_strings",), (), 0.75, -8.0, 66),
        PartPlan(
            "chords", ("piano",), ("......h-......h-", "x-......h--....."), 0.6, -6.0, 67, 0.4
        ),
    ),
    drums=Drums(
        "brush",
        (
            DrumLine("rim", ("x..x..x...x..x..", "..x...x...x..x.."), 0.2),
            DrumLine("kick", ("o..oo..oo..oo..o",), 0.3),
            DrumLine("shaker", ("xoxoxoxoxoxoxoxo",), 0.1),
            DrumLine("pedal", ("....x.......x...",), 0.4),
        ),
        ((("rim", "........x.x.xx.."),), (("snare", "..........o.oxox"),)),
        -1.0,
        False,
    ),
    cadence_major="ii9 V13",
    cadence_minor="ii7b5 V7b9",
    final_major="Imaj9",
    final_minor="i9",
    looseness_ms=8.0,
    singing=Singing(5.0, 0.6, 0.25, False, 4, 0.25),
    room=Room(1.4, 0.18),
)
