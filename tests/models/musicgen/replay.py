"""Holds what a batch computed against what a request computes alone, step by step."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Sequence as Several

import torch

from server.models.musicgen.eager import Eager
from server.models.musicgen.kv_cache import KVMemory
from server.models.musicgen.runner import Performance, Runner
from server.models.musicgen.sampling import Settings, draw, guide
from server.models.musicgen.sequence import Sequence
from server.models.musicgen.transformer import LanguageModel
from server.models.musicgen.wish import Wish
from tests.models.musicgen.references import CPU

#: What sums in another order may change.
LOGITS = 1e-4
#: A token may differ from the run alone only where the two best scores are this close.
TIE = 1e-5


class Tap:
    """A backend that remembers the latest logits and which memories are still there."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.latest = torch.empty(0)
        self.memories: weakref.WeakSet[KVMemory] = weakref.WeakSet()
        self._one_at_a_time = threading.Lock()

    begin_step = Eager.begin_step

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    @property
    def bytes_held(self) -> int:
        with self._one_at_a_time:
            return sum(memory.num_bytes for memory in self.memories)

    def reserve(self, num_positions: int) -> KVMemory:
        memory = self._model.reserve(num_positions)
        with self._one_at_a_time:
            self.memories.add(memory)
        return memory

    def decode_step(self, *arguments: object) -> torch.Tensor:
        self.latest = self._model.decode_step(*arguments)  # type: ignore[arg-type]
        return self.latest


class DrawingTap(Tap):
    """Of a backend that draws by itself."""

    def begin_step(self, tokens: torch.Tensor, *others: object) -> Callable[[], torch.Tensor]:
        drawn = self._model.begin_step(tokens, *others)  # type: ignore[arg-type]
        self.latest = self._model._steps.logits(len(tokens))  # type: ignore[operator, union-attr]
        return drawn


class Recorded(Runner):
    """A runner that keeps the logits of each step of each sequence, [2, K, card]."""

    def __init__(self, runner: Runner) -> None:
        self.__dict__.update(runner.__dict__)
        self.model: LanguageModel = runner._backend  # type: ignore[assignment]
        self.tap = (Tap if isinstance(self.model, Eager) else DrawingTap)(self.model)
        self._backend = self.tap  # type: ignore[assignment]
        self._texts._backend = self.tap  # type: ignore[assignment]
        self.logits: dict[Sequence, list[torch.Tensor]] = defaultdict(list)
        self.batches: list[int] = []

    def decode_step(self, performances: Several[Performance]) -> int:
        num_tokens = super().decode_step(performances)
        self.batches.append(len(performances))
        for performance, logits in zip(performances, self.tap.latest, strict=True):
            self.logits[performance.sequence].append(logits)
        return num_tokens

    def assert_as_alone(self, made: Sequence, wish: Wish) -> None:
        """Replay `wish` alone along the tokens that the batch drew for `made`.

        Its logits must be the same within `LOGITS`, and a token another only at a tie.
        """
        alone = Runner.begin(self, wish)
        alone.join()
        sequence = alone.sequence
        card = self.config.language_model.codebook_size
        settings = Settings.of([wish.sampling], [wish.guidance], card, CPU)
        for logits in self.logits[made]:
            while alone.num_unread:
                Runner.read_ahead(self, alone, 1000)
            newest, at = sequence.window.newest[None], [sequence.position]
            own = self.model.decode_step(newest, at, [alone.memory], [alone.text])  # type: ignore[list-item]
            assert torch.allclose(own[0], logits, rtol=0, atol=LOGITS)
            theirs = drawn(logits[None], settings, sequence.clocks)
            assert_equal_or_tied(own, theirs, settings, sequence.clocks)
            sequence.put(theirs)
        assert sequence.finished
        assert torch.equal(every_frame(sequence), every_frame(made))


def drawn(logits: torch.Tensor, settings: Settings, clocks: torch.Tensor) -> torch.Tensor:
    """The tokens [K] of one request's logits [1, 2, K, card]."""
    return draw(guide(logits, settings.guidance), settings, clocks[None])[0]


def assert_equal_or_tied(
    own: torch.Tensor, theirs: torch.Tensor, settings: Settings, clocks: torch.Tensor
) -> None:
    ours = drawn(own, settings, clocks)
    scores = guide(own, settings.guidance)[0]  # [K, card]
    if not settings.any_greedy:
        scores = (scores / settings.temperature[0]).softmax(-1) / clocks
    for codebook in (ours != theirs).nonzero().flatten():
        best, other = scores[codebook, ours[codebook]], scores[codebook, theirs[codebook]]
        assert abs(best - other) <= TIE * max(1.0, abs(best))


def every_frame(sequence: Sequence) -> torch.Tensor:
    return sequence.frames(0, sequence.num_complete_frames)
