"""Turns due pieces of all requests into sound: alike ones together, here or on another thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from server.events import Samples
from server.models.musicgen.codec.model import Codec
from server.models.musicgen.cuda.lanes import take_a_stream
from server.models.musicgen.sound import Piece, Sound, due

R = TypeVar("R")


class Take:
    """Pieces that are decoded at once."""

    def __init__(self, pieces: list[Piece], samples: Future[list[Samples]]) -> None:
        self._pieces = pieces
        self._samples = samples

    @property
    def done(self) -> bool:
        return self._samples.done()

    @property
    def sounds(self) -> list[Sound]:
        return [piece.sound for piece in self._pieces]

    def hand_out(self) -> dict[Sound, Samples]:
        """What became of each sound's piece, [channels, n]. Raises what went wrong instead; then
        the same pieces will be due again."""
        try:
            made = self._samples.result()
        except BaseException:
            for sound in self.sounds:
                sound.not_made()
            raise
        for piece, samples in zip(self._pieces, made, strict=True):
            piece.sound.made(piece, samples)
        return dict(zip(self.sounds, made, strict=True))


class Studio:
    """`take` and `made` are for one thread; `on_made` is called on whichever one decodes.

    Beside a GPU a thread of its own keeps decoding off the path of the steps. On a CPU both would
    fight for the same cores, and taking turns is faster.
    """

    def __init__(self, codec: Codec, own_thread: bool, on_made: Callable[[], None]) -> None:
        self._codec = codec
        self._on_made = on_made
        #: Nothing else is done while it decodes.
        self.takes_turns = not own_thread
        device = codec.quantizer.codebooks.device
        self._executor = (
            ThreadPoolExecutor(1, "codec", take_a_stream, (device,)) if own_thread else InTurn()
        )
        self._takes: list[Take] = []

    def take(self, sounds: Sequence[Sound]) -> None:
        """Begin to decode what of `sounds` is due."""
        for alike in _alike(due(sounds)):
            samples = self._executor.submit(decode, self._codec, alike)
            samples.add_done_callback(lambda _: self._on_made())
            self._takes.append(Take(alike, samples))

    def made(self) -> list[Take]:
        """What has been decoded, or could not be, since this was last asked."""
        takes, self._takes = self._takes, []
        done: list[Take] = []
        for each in takes:
            (done if each.done else self._takes).append(each)
        return done

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class InTurn(Executor):
    """Does what it is given at once."""

    def submit(self, work: Callable[..., R], /, *args: Any, **options: Any) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(work(*args, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


@torch.inference_mode()
def decode(codec: Codec, pieces: list[Piece]) -> list[Samples]:
    """The sound of pieces of one form, [channels, n] float32 each."""
    device = codec.quantizer.codebooks.device
    codes = [piece.codes.to(device) for piece in pieces]
    made = codec.push([piece.stream for piece in pieces], codes, pieces[0].last)
    return [samples.float().cpu().numpy() for samples in made]


def _alike(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Those of one form together."""
    groups: dict[Hashable, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.form, []).append(piece)
    return list(groups.values())
