"""Bands with guitars: rock, metal, pop, folk."""

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

ROCK = Genre(
    name="rock",
    bpm=(108, 144),
    modes=("minor", "mixolydian", "major"),
    major=("I|bVII|IV|I", "I|V|vi|IV", "vi|IV|I|V", "I|IV|V|IV"),
    minor=("i|VI|III|VII", "i|VII|VI|VII", "i|III|VII|iv", "VI|VII|i|i"),
    faders=Faders(-2.5, 0.0, 4.5, -1.0),
    parts=(
        PartPlan(
            "bass",
            ("picked_bass", "electric_bass"),
            ("1-1-1-1-1-1-1-1-", "1-1-1-1-5-5-1-a-", "1---1-1-..1-1-a-"),
            0.3,
            0.0,
            36,
        ),
        PartPlan(
            "riff",
            ("distorted_guitar",),
            ("1-1-1-1-1-1-1-1-", "1---..1-1-..1-1-", "1-.1-.1-1-.1-.1-", "1-----1-1-----1-"),
            0.3,
            -4.0,
            47,
        ),
        PartPlan(
            "chords",
            ("organ", "electric_guitar"),
            ("x---------------", "x-------x---x---"),
            0.0,
            -8.0,
            62,
            0.4,
        ),
        PartPlan("lead", ("lead_guitar",), (), 0.5, 1.0, 72),
    ),
    drums=Drums(
        "rock",
        (
            DrumLine("kick", ("x.......x.x.....", "x.x.....x.x.....", "x.....x.x......."), 0.2),
            DrumLine("snare", ("....X.......X...", "....X.......X..o"), 0.3),
            DrumLine("hat", ("x.x.x.x.x.x.x.x.",), 0.2),
            DrumLine("crash", ("x...............|................",), 0.95),
        ),
        (
            (("snare", "........xxxx...."), ("tom_low", "............xxxx")),
            (
                ("tom_high", "........xx......"),
                ("tom_mid", "..........xx...."),
                ("tom_low", "............xxXX"),
            ),
            (("snare", "........x.x.xxxx"), ("kick", "........x.x.....")),
        ),
    ),
    cadence_major="V",
    cadence_minor="VII",
    looseness_ms=5.0,
    singing=Singing(5.0, 0.4, 0.25, True, 4, 0.25),
    room=Room(1.2, 0.13),
)

METAL = Genre(
    name="metal",
    bpm=(140, 190),
    modes=("minor", "phrygian"),
    major=("i5|bVI5|bVII5|i5", "I5|bVI5|bVII5|I5"),
    minor=("i5|i5|VI5|VII5", "i5|bII5|i5|VII5", "i5|III5|VI5|V5", "i5|VI5|iv5|V5"),
    faders=Faders(-6.0, 0.5, 6.5, -1.5),
    parts=(
        PartPlan(
            "bass",
            ("picked_bass",),
            ("1111111111111111", "1.111.111.111.11", "1-1-1-1-1-1-1-1-"),
            0.2,
            -1.0,
            31,
        ),
        PartPlan(
            "riff",
            ("palm_mute",),
            ("x11x11x11x11x1x1", "x.11x.11x.11x.11", "x-111-111-111-11"),
            0.4,
            -2.0,
            42,
        ),
        PartPlan(
            "riff",
            ("distorted_guitar",),
            ("1-------1-------", "1---------------", "1-----1-----1---"),
            0.0,
            -4.0,
            47,
        ),
        PartPlan("lead", ("lead_guitar",), (), 0.6, 1.0, 74),
        PartPlan("pad", ("choir", "strings"), (), 0.9, -11.0, 64),
    ),
    drums=Drums(
        "metal",
        (
            DrumLine("kick", ("xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "x..x..x..x..x.x."), 0.4),
            DrumLine("snare", ("....X.......X...", "..X...X...X...X."), 0.4),
            DrumLine("hat", ("x...x...x...x...",), 0.2),
            DrumLine("ride", ("x.x.x.x.x.x.x.x.",), 0.9),
            DrumLine("crash", ("x...............",), 0.8),
        ),
        (
            (("snare", "........xxxxxxxx"),),
            (
                ("tom_high", "........xxx....."),
                ("tom_mid", "...........xxx.."),
                ("tom_low", "..............XX"),
            ),
        ),
    ),
    cadence_major="bVII5",
    cadence_minor="V5",
    final_major="I5",
    final_minor="i5",
    looseness_ms=2.0,
    singing=Singing(7.0, 0.3, 0.25, False, 4, 0.2),
    room=Room(1.0, 0.1),
)

POP = Genre(
    name="pop",
    bpm=(96, 122),
    modes=("major", "minor"),
    major=("I|V|vi|IV", "vi|IV|I|V", "IV|I|V|vi", "I|vi|IV|V", "IV|V|iii|vi"),
    minor=("i|VI|III|VII", "VI|VII|i|III", "i|iv|VI|VII"),
    faders=Faders(0.0, 0.5, -1.0, -0.5),
    parts=(
        PartPlan(
            "bass",
            ("electric_bass", "synth_bass"),
            ("1-----1-1-----a-", "1-1-1-1-1-1-1-1-", "1---..1-..1-5---"),
            0.3,
            0.0,
            37,
        ),
        PartPlan(
            "chords",
            ("piano", "electric_piano"),
            ("x---x---x---x---", "x-----x---x-----", "x-..x-x-..x-x-.."),
            0.0,
            -2.0,
            62,
            -0.15,
        ),
        PartPlan(
            "chords",
            ("acoustic_guitar", "muted_guitar"),
            ("d-d-dudu..udu-du", "d-..d-u-..u-d-u-"),
            0.5,
            -6.0,
            60,
            0.45,
        ),
        PartPlan("pad", ("strings", "warm_pad"), (), 0.6, -8.0, 67),
        PartPlan("lead", ("voice", "soft_lead", "violin"), (), 0.45, 1.0, 72),
        PartPlan("counter", ("strings",), (), 0.9, -6.0, 76),
    ),
    drums=Drums(
        "acoustic",
        (
            DrumLine("kick", ("x.......x.x.....", "x.....x.x.......", "x...x...x...x..."), 0.3),
            DrumLine("snare", ("....x.......x...", "....x.......x..o"), 0.4),
            DrumLine("hat", ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo"), 0.2),
            DrumLine("tambourine", ("....x.......x...",), 0.75),
        ),
        (
            (("snare", "........x.x.xxxx"),),
            (("tom_high", "........xx......"), ("tom_low", "..........xx.xxx")),
        ),
    ),
    cadence_major="IV V",
    cadence_minor="VII",
    final_major="Iadd9",
    looseness_ms=5.0,
    singing=Singing(6.0, 0.4, 0.2, True, 4, 0.2),
    room=Room(1.6, 0.18, 0.1, 0.5),
)

FOLK = Genre(
    name="folk",
    bpm=(88, 116),
    modes=("major", "mixolydian", "dorian", "minor"),
    major=("I|IV|I|V", "I|V|vi|IV", "I|iii|IV|V", "IV|I|V|vi", "I|bVII|IV|I"),
    minor=("i|VII|VI|VII", "i|III|VII|i", "i|iv|VII|i"),
    faders=Faders(-1.0, 1.5, 1.5, -1.5),
    parts=(
        PartPlan(
            "chords",
            ("acoustic_guitar", "nylon_guitar"),
            ("d---d-u-..u-d-u-", "0-2-1-3-0-2-1-3-", "d---d---d-u-d-u-", "0-2-3-2-1-2-3-2-"),
            0.0,
            0.0,
            57,
            -0.2,
        ),
        PartPlan(
            "bass", ("upright_bass",), ("1-------5-------", "1-------4-----a-"), 0.4, -2.0, 38
        ),
        PartPlan(
            "chords",
            ("banjo", "ukulele"),
            ("0.2.3.1.2.3.0.2.", "..h...h...h...h."),
            0.75,
            -6.0,
            69,
            0.4,
        ),
        PartPlan("lead", ("violin", "flute", "harmonica"), (), 0.4, 0.0, 74, 0.1),
        PartPlan("counter", ("cello",), (), 0.75, -4.0, 55, -0.3),
    ),
    drums=Drums(
        "brush",
        (
            DrumLine("kick", ("x.......x.......",), 0.6),
            DrumLine("tambourine", ("....x.......x...", "..x...x...x...x."), 0.5),
            DrumLine("shaker", ("x.o.x.o.x.o.x.o.",), 0.7),
        ),
        ((("snare", "........x.x.x.xx"),),),
        -3.0,
        False,
    ),
    cadence_major="V",
    cadence_minor="VII",
    looseness_ms=10.0,
    singing=Singing(5.5, 0.2, 0.25, True, 4, 0.15),
    room=Room(1.4, 0.16),
)
