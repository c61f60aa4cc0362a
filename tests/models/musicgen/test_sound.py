"""When the pieces of sounds are due, by a tiny codec and frames that a test draws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch
from torch import Tensor

from server.models.musicgen.codec.model import Codec
from server.models.musicgen.sound import GROWTH, Sound
from server.models.musicgen.studio import Studio
from server.models.musicgen.wish import Wish
from tests.models.musicgen.engines import WISH
from tests.models.musicgen.references import checkpoint

FIRST = 8
HOP_SAMPLES = 640


class Counted:
    """The codec, which notes how many sounds it decodes at once."""

    def __init__(self, codec: Codec) -> None:
        self.quantizer = codec.quantizer
        self.num_together: list[int] = []
        self._codec = codec

    def push(self, streams, codes, last: bool):
        self.num_together.append(len(streams))
        return self._codec.push(streams, codes, last)


class Drawn:
    """A sequence whose frames are known; a step completes one more."""

    def __init__(self, wish: Wish, begins_at: int) -> None:
        self.wish = wish
        self.codes = torch.randint(64, (4, wish.num_frames))
        self.num_complete_frames = wish.num_opening_frames
        self._begins_at = begins_at

    @property
    def finished(self) -> bool:
        return self.num_complete_frames == self.wish.num_frames

    def step(self, number: int) -> None:
        if number > self._begins_at and not self.finished:
            self.num_complete_frames += 1

    def frames(self, start: int, stop: int) -> Tensor:
        return self.codes[:, start:stop]


class Session:
    """Sounds that begin at different steps, made to their ends."""

    def __init__(self, begins: list[int], wish: Wish) -> None:
        made = checkpoint("mono")
        self.codec = Counted(made.codec)
        self.sequences = [Drawn(wish, at) for at in begins]
        sounds = [Sound(made.codec, 1, each, FIRST) for each in self.sequences]  # type: ignore[arg-type]
        #: Of each sound: the step and the samples of each of its pieces.
        self.pieces: dict[int, list[tuple[int, Tensor]]] = defaultdict(list)
        studio = Studio(self.codec, False, lambda: None)  # type: ignore[arg-type]
        number = 0
        while not all(sound.complete for sound in sounds):
            number += 1
            for sequence in self.sequences:
                sequence.step(number)
            studio.take(sounds)
            for take in studio.made():
                for sound, samples in take.hand_out().items():
                    self.pieces[sounds.index(sound)].append((number, torch.from_numpy(samples)))

    def frames_of(self, index: int) -> list[float]:
        return [samples.shape[1] / HOP_SAMPLES for _, samples in self.pieces[index]]

    def assert_whole(self) -> None:
        for index, sequence in enumerate(self.sequences):
            sound = torch.cat([samples for _, samples in self.pieces[index]], -1)
            whole = checkpoint("mono").codec.decode(sequence.codes, 1)
            assert torch.allclose(sound, whole[:, -sound.shape[1] :], rtol=0, atol=1e-5)

    def assert_nobody_runs_dry(self) -> None:
        """Whoever plays from the first piece on, while a frame takes 1 / GROWTH of its length."""
        for pieces in self.pieces.values():
            begun, heard = pieces[0][0], 0.0
            for number, samples in pieces:
                assert (number - begun) / GROWTH <= heard + 1e-6
                heard += samples.shape[1] / HOP_SAMPLES


def wish_of(num_frames: int) -> Wish:
    return replace(WISH, num_frames=num_frames)


def test_alone_the_first_piece_comes_soon_and_the_next_grow_to_a_second() -> None:
    session = Session([0], wish_of(500))
    assert session.pieces[0][0][0] == FIRST
    frames = session.frames_of(0)
    assert len(frames) <= 18
    assert max(frames[:-1]) == 50
    session.assert_nobody_runs_dry()
    session.assert_whole()


@pytest.mark.parametrize("begins", [[0, 2, 4, 6], [0, 1, 2, 3], [0, 9, 17, 40]], ids=str)
def test_who_began_apart_fall_into_step(begins: list[int]) -> None:
    session = Session(begins, wish_of(200))
    num_alone = len(Session([0], wish_of(200)).codec.num_together)
    assert len(session.codec.num_together) <= 2.5 * num_alone
    assert session.codec.num_together.count(4) >= 5
    session.assert_nobody_runs_dry()
    session.assert_whole()


def test_growing_pieces_too_are_decoded_together() -> None:
    """In the first second: all but the first and last pieces of each."""
    together = Session([0, 2, 4, 6], wish_of(50)).codec.num_together
    assert sum(together) == pytest.approx(28, abs=4)
    assert len(together) <= 17


def test_a_long_opening_is_heard_late_and_in_short_pieces() -> None:
    opening = torch.randint(64, (4, 130)).numpy()
    session = Session([0, 3], replace(WISH, opening=opening, num_frames=200))
    for index in range(2):
        in_opening = session.frames_of(index)[:12]
        assert max(in_opening) <= FIRST
        assert sum(session.frames_of(index)) == pytest.approx(170)
