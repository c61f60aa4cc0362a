"""What a loaded MusicGen takes of a CPU's memory beside torch itself, at its peak, as a table.

    python -m benchmarks.loading facebook/musicgen-small

Each format is loaded and warmed up in a process of its own, whose memory is looked at when torch
and transformers are imported, and in the end. Pages of the files that were read count too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import ROOT, describe
from benchmarks.streams import table

PRECISIONS = ("fp32", "bf16", "int8")
STATUS = Path("/proc/self/status")


def memory_bytes(name: str) -> int:
    """`VmRSS`, what this process has, or `VmHWM`, the most it has had, as Linux says."""
    lines = STATUS.read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def load(model: str, precision: str, models_dir: Path) -> list[str]:
    """The row of `precision`."""
    # What loading would import is there before it begins.
    from transformers import AutoTokenizer, T5EncoderModel  # noqa: F401

    from server.models.base import ModelOptions
    from server.models.musicgen.build import build

    before, start = memory_bytes("VmRSS"), time.perf_counter()
    options = ModelOptions(models_dir=models_dir, device="cpu", precision=precision)
    runner = build(model, options, None, lambda activity: None)
    seconds = time.perf_counter() - start
    found = [before, memory_bytes("VmHWM") - before, memory_bytes("VmRSS") - before]
    in_words = [f"{num_bytes / 1e9:.2f} GB" for num_bytes in (*found, runner.weights_bytes)]
    return [precision, *in_words, f"{seconds:.1f} s"]


def loaded_elsewhere(model: str, precision: str, models_dir: Path) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.loading", model, "--models-dir", str(models_dir)]
    done = subprocess.run(
        [*command, "--only", precision], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()[-1].split("\t")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a published name")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--only", choices=PRECISIONS, help="load it in this process")
    arguments = parser.parse_args()
    model, models_dir = arguments.model, arguments.models_dir.resolve()
    if arguments.only:
        print("\t".join(load(model, arguments.only, models_dir)))
        return
    print(describe("torch", "transformers"))
    rows = [loaded_elsewhere(model, precision, models_dir) for precision in PRECISIONS]
    header = ["", "torch itself", "the most beside it", "in the end", "of that weights", "time"]
    table(f"{model}, loaded and warmed up", header, rows)


if __name__ == "__main__":
    main()
