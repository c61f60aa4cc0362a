"""From the request to the brief: explicit fields win over the prompt, the seed decides the rest."""

from __future__ import annotations

from server.generation import GenerationRequest
from server.models.sketch.chance import Chance
from server.models.sketch.composition.form import closing_tempo
from server.models.sketch.composition.theory import SIGNATURES, Key
from server.models.sketch.genres import GENRES
from server.models.sketch.genres.genre import Genre
from server.models.sketch.reading.brief import Brief
from server.models.sketch.reading.prompt import Reading, read_prompt
from server.models.sketch.reading.tempo import playable

#: The genre that an instrument brings to mind where nothing else is said.
_GENRES_OF_INSTRUMENTS = {
    "piano": "classical piano",
    "felt_piano": "ambient",
    "electric_piano": "lofi",
    "organ": "blues",
    "acoustic_guitar": "folk",
    "nylon_guitar": "bossa nova",
    "electric_guitar": "rock",
    "distorted_guitar": "rock",
    "lead_guitar": "rock",
    "banjo": "folk",
    "harp": "classical piano",
    "guzheng": "guofeng",
    "pipa": "guofeng",
    "erhu": "guofeng",
    "dizi": "guofeng",
    "saxophone": "jazz",
    "trumpet": "jazz",
    "upright_bass": "jazz",
    "808_bass": "trap",
    "acid_bass": "techno",
    "strings": "cinematic",
    "horns": "cinematic",
    "violin": "cinematic",
    "cello": "cinematic",
    "choir": "cinematic",
    "accordion": "waltz",
    "warm_pad": "ambient",
    "super_saw": "trance",
    "slap_bass": "funk",
    "square_lead": "chiptune",
}
#: The same for moods.
_GENRES_OF_MOODS = {
    "happy": ("pop", "folk", "disco"),
    "sad": ("classical piano", "cinematic", "folk"),
    "dark": ("techno", "cinematic", "trap"),
    "calm": ("ambient", "lofi", "classical piano"),
    "energetic": ("house", "rock", "drum and bass"),
    "epic": ("cinematic",),
    "tense": ("cinematic", "techno"),
    "romantic": ("bossa nova", "classical piano", "jazz"),
    "dreamy": ("ambient", "synthwave"),
    "mysterious": ("ambient", "cinematic"),
    "nostalgic": ("lofi", "synthwave"),
    "groovy": ("funk", "disco"),
    "angry": ("metal",),
}
_UNSAID = ("lofi", "house", "pop", "synthwave", "folk", "jazz", "cinematic", "funk", "bossa nova")


def brief_for(request: GenerationRequest) -> Brief:
    """What the request asks for, complete."""
    chance = Chance("sketch", request.prompt.strip(), request.drawn_seed)
    reading = read_prompt(request.prompt)
    genre = _genre(reading, chance.of("genre"))
    key = _key(request, reading, genre, chance.of("key"))
    guidance = 3.0 if request.guidance is None else request.guidance
    return Brief(
        genre=genre,
        bpm=_bpm(request, reading, genre, chance.of("tempo")),
        key=key,
        duration_seconds=request.num_seconds,
        seed=request.drawn_seed,
        density=_level(request.density, reading, "density"),
        brightness=_level(request.brightness, reading, "brightness"),
        energy=_level(None, reading, "energy"),
        temperature=1.0 if request.temperature is None else request.temperature,
        guidance=guidance,
        instruments=_instruments(reading),
        without=reading.without,
        textures=reading.textures,
        moods=reading.moods,
        solo=reading.solo,
        scale_given=request.scale is not None,
        emphasis=reading.wanted,
        harmony_genre=_harmony_genre(reading, genre, guidance, chance.of("harmony")),
        chance=chance.of(genre.name),
    )


def _genre(reading: Reading, chance: Chance) -> Genre:
    """The genre named first; else one that hints, instruments or moods bring to mind."""
    for names in (reading.genres, reading.hints):
        if names:
            return GENRES[names[0]]
    for name in reading.instruments:
        if name in _GENRES_OF_INSTRUMENTS:
            return GENRES[_GENRES_OF_INSTRUMENTS[name]]
    options = [g for mood in reading.moods[:1] for g in _GENRES_OF_MOODS.get(mood, ())]
    allowed = [name for name in options or _UNSAID if name not in reading.without]
    return GENRES[chance.pick(allowed or _UNSAID)]


def _harmony_genre(reading: Reading, genre: Genre, guidance: float, chance: Chance) -> Genre | None:
    """A second genre that was named lends its chords; now and then, unasked, another does."""
    others = [GENRES[name] for name in reading.genres if name != genre.name]
    if others:
        return others[0]
    if chance.whether(0.5 ** (1.0 + guidance)):
        return chance.pick([g for g in GENRES.values() if g.phrase_bars == genre.phrase_bars])
    return None


def _level(field: float | None, reading: Reading, what: str) -> float:
    return field if field is not None else round(0.5 + reading.shift(what), 3)


def _instruments(reading: Reading) -> tuple[str, ...]:
    """The instruments asked for; `bass` alone is whatever bass the genre has."""
    asked = reading.instruments
    guitars = {"electric_guitar", "distorted_guitar", "lead_guitar", "nylon_guitar"}
    if "acoustic_guitar" in asked and guitars & set(asked):
        asked = tuple(name for name in asked if name != "acoustic_guitar")
    return asked


def _bpm(request: GenerationRequest, reading: Reading, genre: Genre, chance: Chance) -> int:
    """The field, the prompt's number, its word, or the genre's range."""
    if request.bpm is not None:
        return request.bpm
    if reading.bpm is not None:
        return reading.bpm
    low, high = genre.bpm
    if reading.tempo is not None and reading.tempo.isdigit():
        return int(reading.tempo)
    places = {"slowest": (-0.35, -0.2), "slow": (-0.1, 0.15), "middle": (0.4, 0.6)}
    places |= {"fast": (0.85, 1.1), "fastest": (1.2, 1.4), "": (0.2, 0.8)}
    first, last = places[reading.tempo or ""]
    shift = 0.3 * reading.shift("energy") if reading.tempo is None else 0.0
    drawn = low + (high - low) * (chance.between(first, last) + shift)
    tempo = closing_tempo(playable(drawn), request.num_seconds, genre.beats_per_bar)
    return playable(tempo)


def _key(request: GenerationRequest, reading: Reading, genre: Genre, chance: Chance) -> Key:
    """Signature from the field, else the key that is named, else one that lies well."""
    mode = _mode(reading, genre, chance)
    tonic = chance.pick((0, 2, 3, 4, 5, 7, 8, 9, 10, 11, 1, 6))
    if request.scale is not None:
        major = SIGNATURES.index(request.scale)
        minor = Key(0, mode).minor
        return Key((major + 9) % 12, "minor") if minor else Key(major, "major")
    if reading.key is not None:
        return Key(reading.key.tonic, reading.key.mode or mode)
    return Key(tonic, mode)


def _mode(reading: Reading, genre: Genre, chance: Chance) -> str:
    """The mode that was said, or one of the genre's that agrees with the mood."""
    drawn = chance.pick_early(genre.modes, 1.0)
    wanted = reading.mode or reading.mood_mode
    if wanted is None or Key(0, drawn).minor == (wanted == "minor"):
        return drawn
    agreeing = [mode for mode in genre.modes if Key(0, mode).minor == (wanted == "minor")]
    return agreeing[0] if agreeing else wanted
