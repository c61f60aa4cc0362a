"""On a real GPU: graphs do what the step does, beside other streams, for 32 requests at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from server.models.base import Resources
from server.models.musicgen.build import backend_for, recorded
from server.models.musicgen.checkpoint.loading import load
from server.models.musicgen.cuda import plain
from server.models.musicgen.cuda.backend import RecordedModel
from server.models.musicgen.cuda.recording import as_it_is
from server.models.musicgen.devices import Precision
from server.models.musicgen.runner import Performance, Runner
from server.models.musicgen.wish import Wish
from tests.models.musicgen.cpu.compiled import random_model, sizes
from tests.models.musicgen.cuda.recorded import num_pages
from tests.models.musicgen.engines import OTHERS, WISH
from tests.models.musicgen.references import folder, perform, t5_of, tensor, wish_for
from tests.models.musicgen.test_batching import VARIED

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
GPU = torch.device("cuda")
NUM_SLOTS = 32


def runner(precision: Precision = "fp32", **choices: object) -> Runner:
    checkpoint = load(folder("mono", "huggingface"), t5_of("mono"))
    backend = recorded(checkpoint.language_model, GPU, precision, **choices)
    made = Runner(checkpoint, backend, GPU, torch.float32, 0.16)
    made.make_room(Resources(NUM_SLOTS, 2**26))
    return made


def made_together(runner: Runner, wishes: list[Wish]) -> list[torch.Tensor]:
    """Tokens of all, one joining at each step, a piece of another read ahead beside each."""
    waiting = [runner.begin(wish) for wish in wishes]
    everyone, there = list(waiting), list[Performance]()
    while waiting or there:
        if waiting:
            there.append(waiting.pop(0))
            there[-1].join()
        reading = [each for each in there if each.num_unread]
        for performance in reading[:1]:
            runner.read_ahead(performance, 5)
        if stepping := [each for each in there if each.can_step]:
            runner.decode_step(stepping)
        there = [each for each in there if not each.sequence.finished]
    sequences = [each.sequence for each in everyone]
    return [each.frames(0, each.num_complete_frames) for each in sequences]


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
def test_graphs_are_the_step_itself_token_for_token(precision: Precision) -> None:
    """32 requests of all kinds at once; every page comes back."""
    wishes = [replace(VARIED[n % len(VARIED)], seed=n) for n in range(NUM_SLOTS)]
    graphs, eager = runner(precision), runner(precision, record=as_it_is)
    pairs = zip(made_together(graphs, wishes), made_together(eager, wishes), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    free, everything = num_pages(graphs._backend)  # type: ignore[arg-type]
    assert free == everything
    graphs.close()
    eager.close()


@pytest.mark.parametrize("operations", [None, plain], ids=["Triton", "torch"])
@pytest.mark.parametrize("name", ["greedy_p1", "sample_topk", "sample_topp", "long_sample"])
def test_tokens_are_the_references(name: str, operations: object) -> None:
    tokens = perform(runner(operations=operations), wish_for("mono", name), most_columns=7)
    assert torch.equal(tokens, tensor("mono", name))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_graphs_and_kernels_are_taken(precision: Precision) -> None:
    backend = backend_for(random_model(sizes()), GPU, precision)
    assert isinstance(backend, RecordedModel)
    assert backend._operations.__name__.endswith("kernels")  # type: ignore[attr-defined]


def test_who_leaves_while_a_piece_is_read_ahead_disturbs_nobody() -> None:
    """Their pages go to the next one at once, whose tokens are as ever."""
    among, alone = runner(), runner()
    opening = torch.randint(64, (4, 1200)).numpy()
    for number in range(20):
        leaving = among.begin(replace(WISH, opening=opening, num_frames=1300))
        leaving.join()
        among.read_ahead(leaving, 1000)
        del leaving
        wish = replace(OTHERS[number % len(OTHERS)], seed=number)
        assert torch.equal(made_together(among, [wish])[0], made_together(alone, [wish])[0])
    among.close()
    alone.close()
