"""Casting: who plays. The genre's players, changed by what the prompt asks for and rules out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from server.models.sketch.composition.score import Bus
from server.models.sketch.genres import GENRES
from server.models.sketch.genres.genre import Drums, PartKind, PartPlan
from server.models.sketch.reading.brief import Brief
from server.models.sketch.synthesis.instruments import INSTRUMENTS
from server.models.sketch.synthesis.instruments.basses import BASSES
from server.models.sketch.synthesis.instruments.ensembles import SUSTAINED
from server.models.sketch.synthesis.instruments.soloists import LEADS

BUS_OF: dict[PartKind, Bus] = {
    "chords": "harmony",
    "pad": "harmony",
    "riff": "harmony",
    "texture": "harmony",
    "bass": "bass",
    "walking": "bass",
    "lead": "melody",
    "counter": "melody",
}

#: Who steps in where every usual instrument was ruled out.
_SUBSTITUTES: dict[PartKind, tuple[str, ...]] = {
    "chords": ("electric_piano", "acoustic_guitar", "organ", "harp"),
    "pad": ("warm_pad", "strings", "choir"),
    "riff": ("picked_bass",),
    "bass": ("electric_bass", "synth_bass", "upright_bass"),
    "walking": ("upright_bass", "electric_bass"),
    "lead": ("flute", "soft_lead", "vibraphone"),
    "counter": ("strings", "clarinet"),
    "texture": (),
}
_RIFFS = frozenset({"distorted_guitar", "palm_mute"})
_EMPHASIS_DB = 2.5


@dataclass(frozen=True)
class Cast:
    """The players: each part with the one instrument that plays it, and the drums if any."""

    parts: tuple[PartPlan, ...]
    drums: Drums | None

    @property
    def instruments(self) -> tuple[str, ...]:
        """The names of what is heard, drums last."""
        names = dict.fromkeys(part.instruments[0] for part in self.parts)
        return (*names, "drums") if self.drums else tuple(names)


def cast(brief: Brief) -> Cast:
    """The players for `brief`; never nobody."""
    parts = _soloist(brief) if brief.solo else _band(brief)
    drums = None if brief.solo else _drums(brief)
    textures = [PartPlan("texture", (name,), level_db=-7.0) for name in brief.textures]
    known = {part.instruments[0] for part in parts}
    parts += [part for part in textures if part.instruments[0] not in known]
    if not drums and not any(part.kind != "texture" for part in parts):
        parts.append(PartPlan("pad", ("warm_pad",)))
    return Cast(tuple(_emphasised(brief, part) for part in parts), drums)


def _band(brief: Brief) -> list[PartPlan]:
    """The genre's parts, then the instruments asked for in place of some, or beside them."""
    chosen = (_chosen(brief, number, part) for number, part in enumerate(brief.genre.parts))
    parts = [part for part in chosen if part is not None]
    taken: set[int] = set()
    for name in brief.instruments:
        if any(part.instruments[0] == name for part in parts):
            taken.add(next(n for n, part in enumerate(parts) if part.instruments[0] == name))
            continue
        place = _place_for(name, parts, taken)
        if place is None:
            parts.append(_added(name))
            place = len(parts) - 1
        else:
            parts[place] = _reassigned(parts[place], name)
        taken.add(place)
    return [_audible_from_the_start(part, brief) for part in parts]


def _chosen(brief: Brief, number: int, part: PartPlan) -> PartPlan | None:
    """A part of the genre with one instrument, or None if it is not wanted."""
    if part.kind in brief.without or BUS_OF[part.kind] in brief.without:
        return None
    allowed = [name for name in part.instruments if name not in brief.without]
    if not allowed:
        allowed = [name for name in _SUBSTITUTES[part.kind] if name not in brief.without]
    if not allowed:
        return None
    chance = brief.chance.of("cast", number)
    return _reassigned(part, chance.pick_early(allowed, brief.temperature))


def kinds_of(name: str) -> tuple[PartKind, ...]:
    """The parts an instrument can play, the most fitting first."""
    if name in _RIFFS:
        return ("riff",)
    if name in BASSES:
        return ("bass", "walking")
    if name in SUSTAINED:
        return ("pad", "chords", "counter", "lead")
    if name in LEADS:
        return ("lead", "counter")
    return ("chords", "lead")


def _place_for(name: str, parts: list[PartPlan], taken: set[int]) -> int | None:
    """The part whose player gives way to `name`."""
    for kind in kinds_of(name):
        for place, part in enumerate(parts):
            if part.kind == kind and place not in taken:
                return place
    return None


def _reassigned(part: PartPlan, name: str) -> PartPlan:
    return replace(part, instruments=(name,), centre=_centre(part.centre, name))


def _centre(centre: int, name: str) -> int:
    """`centre`, moved to where the instrument sounds well."""
    instrument = INSTRUMENTS[name]
    return min(max(centre, instrument.low + 9), instrument.high - 12)


def _added(name: str) -> PartPlan:
    """A part of its own for an instrument that no part can be given to."""
    kind = kinds_of(name)[0]
    centres: dict[PartKind, int] = {"bass": 37, "riff": 45, "lead": 72, "pad": 62}
    figures: dict[PartKind, tuple[str, ...]] = {
        "bass": ("1-------5-------",),
        "riff": ("1-1-1-1-1-1-1-1-", "1-------1-------"),
        "chords": ("x-------x-------", "0-1-2-3-2-1-2-1-"),
    }
    centre = _centre(centres.get(kind, 62), name)
    return PartPlan(kind, (name,), figures.get(kind, ()), 0.0, -2.0, centre, 0.2)


def _audible_from_the_start(part: PartPlan, brief: Brief) -> PartPlan:
    """Who was asked for does not wait for the strong sections."""
    asked = part.instruments[0] in brief.instruments
    return (
        replace(part, enters=min(part.enters, 0.3), level_db=max(part.level_db, -3.0))
        if asked
        else part
    )


def _soloist(brief: Brief) -> list[PartPlan]:
    """One to three instruments alone; those that play chords accompany themselves."""
    parts: list[PartPlan] = []
    usual = [
        part for part in brief.genre.parts if part.kind == "chords" and "0" in "".join(part.figures)
    ]
    figures = usual[0].figures if usual else ("0-2-1-2-0-2-1-2-", "0-1-2-3-2-1-2-1-")
    for name in brief.instruments:
        if "chords" in kinds_of(name) and name not in LEADS:
            parts.append(PartPlan("chords", (name,), figures, 0.0, -2.0, _centre(57, name)))
        if "bass" in kinds_of(name):
            parts.append(
                PartPlan("bass", (name,), ("1-..1-3-5-..8-7-", "1-5-8-5-3-5-1-a-"), centre=38)
            )
        elif not any(part.kind == "lead" for part in parts):
            parts.append(PartPlan("lead", (name,), centre=_centre(74, name)))
    return parts


def _drums(brief: Brief) -> Drums | None:
    """The genre's drums, or a pop drummer where drums are asked for and the genre has none."""
    if "drums" in brief.without:
        return None
    chance = brief.chance.of("borrowed drums")
    drums = brief.genre.drums
    if drums and chance.whether(brief.borrowing):
        rivals = [g.drums for g in GENRES.values() if g.drums and _same_metre(g.drums, drums)]
        borrowed = chance.pick(rivals)
        drums = replace(drums, lines=borrowed.lines, fills=borrowed.fills)
    if "drums" in brief.emphasis:
        drums = drums or GENRES["pop"].drums
        if drums:
            lines = tuple(replace(line, enters=min(line.enters, 0.5)) for line in drums.lines)
            drums = replace(drums, lines=lines, level_db=drums.level_db + _EMPHASIS_DB)
    return drums


def _same_metre(one: Drums, other: Drums) -> bool:
    return len(one.lines[0].patterns[0].split("|")[0]) == len(
        other.lines[0].patterns[0].split("|")[0]
    )


def _emphasised(brief: Brief, part: PartPlan) -> PartPlan:
    louder = _EMPHASIS_DB if BUS_OF[part.kind] in brief.emphasis else 0.0
    return replace(part, level_db=part.level_db + louder)
