"""Compiles the kernels for GPUs that need not be here; prints what came out, as JSON.

A process of its own: elsewhere in the tests Triton may be set to interpret them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[4]))

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from server.models.musicgen.cuda import kernels

#: Compute capabilities: an A100's and an H100's.
ARCHITECTURES = (80, 90)
NUM_BYTES_ALIGNED = 16
#: Arguments that are multiples of it in all published shapes, as Triton sees when it runs.
MULTIPLES = ("num_inputs", "num_outputs", "x_stride")


def compiled(function: Any, architecture: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """`arguments`: names to types, or to the values of constants."""
    constants = {name: value for name, value in arguments.items() if not isinstance(value, str)}
    signature = {name: "constexpr" if name in constants else arguments[name] for name in arguments}
    places = {name: (index,) for index, name in enumerate(function.arg_names)}
    source = ASTSource(
        function,
        signature,
        {places[name]: value for name, value in constants.items()},
        {
            places[name]: [["tt.divisibility", NUM_BYTES_ALIGNED]]
            for name, kind in signature.items()
            if (kind is not None and kind.startswith("*")) or name in MULTIPLES
        },
    )
    made = triton.compile(source, target=GPUTarget("cuda", architecture, 32))
    return {
        "name": function.__name__,
        "architecture": architecture,
        "num_bytes": len(made.asm["cubin"]),
        "wide_loads": len(re.findall(r"ld\.global\.v4\.b32", made.asm["ptx"])),
        "wide_copies": len(re.findall(r"cp\.async\.cg\.shared\.global", made.asm["ptx"])),
    }


def attend(number: str, num_splits: int, remembers: bool, in_int8: bool) -> dict[str, Any]:
    stored, steps = ("*i8", "*fp32") if in_int8 else (number, None)
    return {
        "given": number,
        "keys": stored,
        "key_steps": steps,
        "values": stored,
        "value_steps": steps,
        "tables": "*i64",
        "lengths": "*i64",
        "out": "*fp32" if num_splits > 1 else number,
        "given_stride": "i32",
        "table_stride": "i32",
        "scale": "fp32",
        "ROWS_PER_LENGTH": 2 if remembers else 1,
        "HEAD_DIM": 64,
        "PAGE": 32,
        "BLOCK": kernels.BLOCK_POSITIONS,
        "NUM_SPLITS": num_splits,
        "REMEMBERS": remembers,
        "IN_INT8": in_int8,
    }


def product(number: str, rows: int, outputs: int, inputs: int) -> dict[str, Any]:
    return {
        "x": number,
        "whole": "*i8",
        "steps": "*fp32",
        "out": number,
        "num_rows": "i32",
        "num_inputs": "i32",
        "num_outputs": "i32",
        "x_stride": "i32",
        "ROWS": rows,
        "OUTPUTS": outputs,
        "INPUTS": inputs,
    }


def everything(architecture: int) -> list[dict[str, Any]]:
    made = []
    for number in ("*fp16", "*bf16", "*fp32"):
        for num_splits, remembers in ((8, True), (1, True), (1, False)):
            for in_int8 in (False, True):
                arguments = attend(number, num_splits, remembers, in_int8)
                made.append(compiled(kernels._attend, architecture, arguments))
        if number != "*bf16":  # what int8 is computed in
            for tile in ((16, 16, 256), (64, 32, 128), (128, 32, 64)):
                made.append(compiled(kernels._product, architecture, product(number, *tile)))
        join = {"parts": "*fp32", "out": number, "HEAD_DIM": 64, "NUM_SPLITS": 10, "SPLITS": 16}
        made.append(compiled(kernels._join, architecture, join))
        add_norm = {
            "x": "*fp32", "added": number, "weight": "*fp32", "bias": "*fp32", "out": number,
            "dim": "i32", "epsilon": "fp32", "EVERY": 2, "BLOCK": 2048,
        }  # fmt: skip
        made.append(compiled(kernels._add_norm, architecture, add_norm))
    return made


if __name__ == "__main__":
    print(json.dumps([each for a in ARCHITECTURES for each in everything(a)]))
