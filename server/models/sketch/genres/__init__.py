"""The genres, by name."""

from __future__ import annotations

from server.models.sketch.genres import club, concert, guitars, jazz, street, synths, world
from server.models.sketch.genres.genre import Genre

GENRES: dict[str, Genre] = {
    genre.name: genre
    for genre in (
        street.LOFI,
        club.HOUSE,
        club.TECHNO,
        club.TRANCE,
        club.DRUM_AND_BASS,
        club.DISCO,
        synths.AMBIENT,
        synths.SYNTHWAVE,
        synths.CHIPTUNE,
        street.HIP_HOP,
        street.TRAP,
        street.FUNK,
        jazz.JAZZ,
        jazz.BLUES,
        jazz.BOSSA_NOVA,
        guitars.ROCK,
        guitars.METAL,
        guitars.POP,
        guitars.FOLK,
        world.AFROBEAT,
        world.REGGAE,
        world.SALSA,
        world.GUOFENG,
        concert.CLASSICAL_PIANO,
        concert.WALTZ,
        concert.CINEMATIC,
    )
}
