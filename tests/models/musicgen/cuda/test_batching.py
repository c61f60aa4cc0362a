"""Batched is alone over recorded steps, whoever comes and goes; and every page comes back."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

from hypothesis import settings

from server.models.musicgen.runner import Runner
from tests.models.musicgen.cuda.recorded import Recorder, num_pages, recorded_runner
from tests.models.musicgen.engines import until
from tests.models.musicgen.replay import Recorded
from tests.models.musicgen.test_batching import SOAK, Comings, make_all_together


@pytest.mark.parametrize("taped", [False, True])
def test_tokens_of_a_batch_are_those_of_each_alone(taped: bool) -> None:
    recorder = Recorder()
    choices = {"record": recorder} if taped else {}
    make_all_together(Recorded(recorded_runner("mono", num_slots=8, **choices)))
    if taped:
        assert recorder.sizes == [8, 4, 2, 1]  # each once, the largest first
        assert set(recorder.played) == {8, 4, 2, 1}


class ComingsToPages(Comings):
    def new_runner(self) -> Runner:
        return recorded_runner("mono", num_slots=3)

    def teardown(self) -> None:
        super().teardown()
        until(self.every_page_is_back)

    def every_page_is_back(self) -> bool:
        """Soon: the text of somebody who left may just be being remembered."""
        free, everything = num_pages(self.watched.model)  # type: ignore[arg-type]
        return free == everything


ComingsToPages.TestCase.settings = settings(max_examples=SOAK or 8, stateful_step_count=10)
TestComings = ComingsToPages.TestCase
