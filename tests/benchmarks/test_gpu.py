"""The benchmark for GPUs, run on the CPU: the same code, a tiny shape, few steps."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra musicgen")
pytest.importorskip("transformers", reason="needs the extra musicgen")

import torch

from benchmarks.gpu import checks, loaded
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.benchmark import Benchmark, Plan
from benchmarks.gpu.checks import WrongOutput, check_outputs
from benchmarks.gpu.listening import Diary
from benchmarks.gpu.report import Report, Table
from benchmarks.gpu.steps import Pace, share_of_bound
from benchmarks.gpu.streams import Concert, concert_of
from benchmarks.gpu.targets import targets
from benchmarks.random_musicgen import config_of
from benchmarks.standing import bytes_of_step
from server.models.musicgen.build import backend_for
from server.models.musicgen.checkpoint.config import LanguageModelConfig
from server.models.musicgen.checkpoint.huggingface import language_model_config
from server.models.musicgen.cuda.backend import RecordedModel
from server.models.musicgen.devices import DTYPES, Precision
from server.models.musicgen.kv_cache import bytes_per_position
from server.models.musicgen.transformer import LanguageModel
from tests.models.tiny_musicgen import FIXTURES

TINY = str(FIXTURES / "mono" / "huggingface")
CPU = torch.device("cpu")
SMALL_RUN = (
    *("--device", "cpu", "--precision", "fp32", "--shapes", TINY, "--from-host", TINY),
    *("--batches", "1", "2", "--peer-batches", "1", "--positions", "0", "5", "--rounds", "1"),
    *("--streams", "2", "--seconds", "1", "--joining-seconds", "0.02", "--copy-bytes", "1048576"),
)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured takes a GPU's way, with nothing recorded. The checks, at length, do not."""

    def backend_of(model: LanguageModel, device: torch.device, precision: Precision) -> object:
        model.place(device, DTYPES[precision])
        return RecordedModel(model)

    monkeypatch.setattr(loaded, "backend_for", backend_of)


@pytest.mark.usefixtures("recorded")
def test_a_small_run_measures_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SMALL_RUN) == 0
    written = capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in written.splitlines() if TINY in line]
    assert [row[1:3] for row in rows[:4]] == [["1", "0"], ["1", "5"], ["2", "0"], ["2", "5"]]
    assert all(float(row[3]) > 0 and "%" in row[6] for row in rows[:4])
    assert [row[7].endswith("×") for row in rows[:4]] == [True, True, False, False]
    streams, *footprints = rows[4:]
    assert streams[1] == "2"
    assert all(float(cell) > 0 for cell in streams[2:7])
    assert [row[1] for row in footprints] == ["as from files", "made there"]
    assert "Left out" not in written
    assert written.count("not measured") == 7
    assert "| tiny melody | fp32 | share of other tokens | 0 | 0 |" in written


def test_what_there_is_no_time_for_is_named() -> None:
    plan = Plan(device="cpu", minutes=0, shapes=[TINY], from_host=[], copy_bytes=2**20)
    benchmark = Benchmark(plan)
    benchmark.measure()
    assert benchmark.markdown().splitlines()[-1] == (
        "Left out, for want of time or of the model: "
        f"Device memory: {TINY}, made there; {TINY}: steps and streams."
    )


def test_a_device_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "tpu"]) == 2
    assert "DEVICE=tpu is not on this machine" in capsys.readouterr().err


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Row:
    cells = ("fine",)


def test_a_row_is_begun_if_there_is_time_for_the_longest_of_its_table() -> None:
    clock = Clock()
    report = Report(100, clock)
    slow: Table[Row] = Table("slow", ("shape", "how"))
    quick: Table[Row] = Table("quick", ("shape", "how"))

    def lasting(seconds: float) -> Row:
        clock.now += seconds
        return Row()

    for name in ("a", "b", "c"):
        report.measure(slow, (name,), lambda: lasting(40))
        report.measure(quick, (name,), lambda: lasting(5))
    report.measure(quick, ("d",), lambda: lasting(5))
    assert list(slow.results) == [("a",), ("b",)]
    assert list(quick.results) == [("a",), ("b",), ("c",)]
    assert report.left_out == ["slow: c", "quick: d"]


def test_a_row_that_fails_says_why_and_is_not_the_end() -> None:
    report = Report(100)
    table: Table[Row] = Table("steps", ("shape", "requests", "how", "more"))

    def too_large() -> Row:
        raise torch.cuda.OutOfMemoryError("tried to allocate 1 | 2 GiB")

    def broken() -> Row:
        raise ValueError("a | b\nc")

    report.measure(table, ("a", 16), Row)
    report.measure(table, ("a", 4), too_large)
    report.measure(table, ("a", 1), broken)
    assert list(table.results) == [("a", 16)]
    assert table.markdown().splitlines()[2:] == [
        "| shape | requests | how | more |",
        "| --- | --- | --- | --- |",
        "| a | 1 | ValueError: a / b c |  |",
        "| a | 4 | out of memory |  |",
        "| a | 16 | fine |  |",
    ]


def test_the_bytes_of_a_step_are_those_of_weights_and_positions() -> None:
    sizes = LanguageModelConfig(4, 1, 2, 16, 2, 8, 5, (0, 1))
    # a layer: qkv 48, out 16, query 16, out 16, and twice 64; the heads: 4 · 16
    assert bytes_of_step(sizes, 2, 100, 3) == 2 * (2 * (96 + 128) + 64) + 300


def test_the_bound_of_the_true_shapes_is_the_known_one() -> None:
    """What docs/musicgen.md has for small, and 535 steps a second for large at 3.35 TB/s."""
    small, large = (language_model_config(config_of(size)) for size in ("small", "large"))
    assert round(bytes_of_step(small, 1, 0, 0) / 1e6) == 361
    per_position = bytes_per_position(large, torch.float16)
    num_bytes = bytes_of_step(large, 2, per_position, 750)
    assert round(3.35e12 / num_bytes) == 535
    assert share_of_bound(6_000_000_000, 0.004, 3e12) == 0.5


def test_rates_are_of_the_time_in_which_all_play() -> None:
    early = Diary(0.0, [0.1 * k for k in range(1, 41)], [0.5, 4.2])
    late = Diary(1.0, [1.0 + 0.2 * k for k in range(1, 21)], [1.3, 5.2])
    found = concert_of([early, late], 2.0, "–")
    assert found.steps_per_second == pytest.approx([10, 5], rel=0.1)
    assert found.slowest == pytest.approx(5, rel=0.1)
    assert found.first_sound_seconds == pytest.approx([0.5, 0.3])
    assert found.latest == 0.5
    assert found.realtime_factor == pytest.approx(2.1)
    with pytest.raises(ValueError, match="longer music"):
        concert_of([early, Diary(5.0, [5.1, 5.2], [5.3])], 2.0, "–")


def test_targets_stand_beside_what_was_measured() -> None:
    paces = {("large", 1, at): Pace(500, 6, share, 6.0) for at, share in ((0, 0.81), (750, 0.65))}
    concerts = {("large", 32): Concert([55.0, 49.0], [0.1, 0.29], 0.9, "–")}
    outcome = [target.cells[-1] for target in targets(paces, concerts, [0, 750])]
    assert outcome == ["met", "not met", "met", "not met", "met", "", ""]
    incomplete = targets(paces, concerts, [0, 750, 1490])
    assert [target.found for target in incomplete[:3]] == [None, None, None]


def spoiled(model: LanguageModel, *where: object, **how: object) -> object:
    model.heads.weight.data[:3] *= 1.01
    return backend_for(model, *where, **how)


def test_wrong_scores_are_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "backend_for", spoiled)
    table: Table[checks.Check] = Table("checks", checks.HEADER)
    with pytest.raises(WrongOutput, match="tiny, fp32, error of the scores"):
        check_outputs(table, CPU, "fp32", [])


def test_wrong_tokens_are_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "backend_for", spoiled)
    tiny = checks.tiny_shapes()["tiny"]
    assert 0 < checks.share_of_others(tiny, CPU) < 1


def test_shapes_are_thinned_for_the_cpu_to_follow() -> None:
    thin = checks.thinned("large")
    assert (thin.dim, thin.num_layers, thin.codebook_size) == (2048, 2, 2048)
