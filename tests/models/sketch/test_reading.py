"""Prompts in English and Chinese: what is asked for, what is ruled out."""

from __future__ import annotations

import pytest

from server.models.sketch.genres import GENRES
from server.models.sketch.reading.genre_words import GENRE_WORDS, HINT_WORDS
from server.models.sketch.reading.keys import NamedKey, named_key
from server.models.sketch.reading.prompt import read_prompt
from server.models.sketch.reading.tempo import named_bpm
from server.models.sketch.reading.vocabulary import INSTRUMENT_WORDS, TEXTURE_WORDS
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from tests.models.sketch.pieces import SKETCH, request_for


@pytest.mark.parametrize(
    ("prompt", "genre"),
    [
        ("lo-fi beats to study to", "lofi"),
        ("lofi hip hop", "lofi"),
        ("deep house track", "house"),
        ("电子音乐带有强烈的鼓点和节奏感", "house"),
        ("Berlin TECHNO", "techno"),
        ("liquid DnB", "drum and bass"),
        ("jazz house", "house"),
        ("氛围音乐，适合冥想", "ambient"),
        ("80s retrowave", "synthwave"),
        ("8-bit video game music", "chiptune"),
        ("heavy metal", "metal"),
        ("重金属", "metal"),
        ("smooth jazz", "jazz"),
        ("爵士乐", "jazz"),
        ("delta blues", "blues"),
        ("bossa-nova? no: bossa nova", "bossa nova"),
        ("古典钢琴曲", "classical piano"),
        ("epic orchestral trailer", "cinematic"),
        ("史诗电影配乐", "cinematic"),
        ("afrobeats", "afrobeat"),
        ("雷鬼", "reggae"),
        ("traditional Chinese music", "guofeng"),
        ("古风", "guofeng"),
        ("music to study in a coffee shop", "lofi"),
        ("a guzheng and a bamboo flute", "guofeng"),
        ("distorted guitar and loud drums", "rock"),
    ],
)
def test_genres(prompt: str, genre: str) -> None:
    assert SKETCH.interpret(request_for(prompt))["genre"] == genre


def test_the_vocabulary_names_only_what_there_is() -> None:
    assert set(GENRE_WORDS) == set(GENRES)
    assert set(HINT_WORDS) <= set(GENRES)
    assert set(INSTRUMENT_WORDS) | set(TEXTURE_WORDS) <= set(INSTRUMENTS)


@pytest.mark.parametrize("name", sorted(GENRES))
def test_every_genre_answers_to_its_name(name: str) -> None:
    assert read_prompt(f"some {name}, please").genres[0] == name


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("120 bpm", 120),
        ("at 97bpm", 97),
        ("BPM: 128", 128),
        ("tempo of 84", 84),
        ("90-100 bpm", 95),
        ("140 beats per minute", 140),
        ("每分钟120拍", 120),
        ("速度88", 88),
        ("♩=72", 72),
        ("128.4 BPM", 128),
        ("300 bpm", 150),
        ("20 bpm", 40),
        ("808 drums", None),
        ("80s music", None),
        ("", None),
    ],
)
def test_tempi(text: str, bpm: int | None) -> None:
    assert named_bpm(text) == bpm


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("in A minor", NamedKey(9, "minor")),
        ("C# minor waltz", NamedKey(1, "minor")),
        ("a piece in Bb major", NamedKey(10, "major")),
        ("E-flat major", NamedKey(3, "major")),
        ("F sharp minor", NamedKey(6, "minor")),
        ("in the key of F#", NamedKey(6, None)),
        ("in Am", NamedKey(9, "minor")),
        ("D dorian groove", NamedKey(2, "dorian")),
        ("c小调", NamedKey(0, "minor")),
        ("降B大调", NamedKey(10, "major")),
        ("升F小调", NamedKey(6, "minor")),
        ("in a minor", NamedKey(9, "minor")),
        ("a minor setback", None),
        ("a song in a minor key", None),
        ("I am sad", None),
        ("in A club at night", None),
        ("big band", None),
    ],
)
def test_keys(prompt: str, key: NamedKey | None) -> None:
    assert named_key(prompt) == key


@pytest.mark.parametrize(
    ("prompt", "absent"),
    [
        ("rock, no drums", "drums"),
        ("rock without drums or bass", "drums"),
        ("drumless lofi", "drums"),
        ("摇滚，不要鼓", "drums"),
        ("没有鼓的电子音乐", "drums"),
        ("jazz without any piano", "piano"),
        ("爵士，不要钢琴", "piano"),
        ("pop but no vocals", "voice"),
    ],
)
def test_negations(prompt: str, absent: str) -> None:
    told = SKETCH.interpret(request_for(prompt, seed=3))
    assert absent in told["without"]
    assert absent not in told["instruments"]


@pytest.mark.parametrize(
    ("prompt", "genre"),
    [
        ("no drums house", "house"),
        ("not jazz but funk", "funk"),
        ("没有人声的爵士乐", "jazz"),
        ("not too fast techno", "techno"),
        ("不要太快的电子音乐", "house"),
    ],
)
def test_a_denial_reaches_no_further_than_meant(prompt: str, genre: str) -> None:
    assert SKETCH.interpret(request_for(prompt))["genre"] == genre


def test_a_bass_that_is_not_wanted_is_not_played() -> None:
    told = SKETCH.interpret(request_for("funk without bass"))
    assert not any("bass" in name for name in told["instruments"])


@pytest.mark.parametrize(
    ("prompt", "instrument"),
    [
        ("house with piano", "piano"),
        ("pop with a violin", "violin"),
        ("rock with saxophone", "saxophone"),
        ("techno with acid bass", "acid bass"),
        ("电子音乐，加二胡", "erhu"),
        ("lofi with rain", "rain"),
        ("classical music with harpsichord", "harpsichord"),
    ],
)
def test_instruments_that_are_asked_for_play(prompt: str, instrument: str) -> None:
    assert instrument in SKETCH.interpret(request_for(prompt))["instruments"]


def test_a_soloist_is_alone() -> None:
    assert SKETCH.interpret(request_for("solo piano, sad"))["instruments"] == ["piano"]
    assert SKETCH.interpret(request_for("吉他独奏曲，民谣吉他独奏"))["instruments"] != []


@pytest.mark.parametrize(
    ("low", "high", "what"),
    [
        ("dark pop", "bright pop", "brightness"),
        ("sparse techno", "busy techno", "density"),
        ("阴暗的电子音乐", "明亮的电子音乐", "brightness"),
        ("calm lofi", "complex lofi", "density"),
    ],
)
def test_moods_shift(low: str, high: str, what: str) -> None:
    below = SKETCH.interpret(request_for(low))[what]
    above = SKETCH.interpret(request_for(high))[what]
    assert below < above


@pytest.mark.parametrize(
    ("prompt", "minor"), [("sad pop", True), ("happy pop", False), ("悲伤的流行乐", True)]
)
def test_moods_choose_the_mode(prompt: str, minor: bool) -> None:
    for seed in range(5):
        mode = SKETCH.interpret(request_for(prompt, seed=seed))["mode"]
        assert (mode in ("minor", "dorian", "phrygian")) == minor


def test_tempo_words() -> None:
    def bpm(prompt: str) -> int:
        told = SKETCH.interpret(request_for(prompt, 30))["bpm"]
        assert isinstance(told, int)
        return told

    assert bpm("very slow house") < bpm("slow house") < bpm("fast house") < bpm("very fast house")
    assert bpm("快速的摇滚") > bpm("缓慢的摇滚")
    assert abs(bpm("allegro piano sonata") - 132) <= 6
