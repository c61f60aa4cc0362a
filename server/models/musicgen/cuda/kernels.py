"""`Operations` in Triton: attention that reads what is there and no more, fused norms, and products
with weights that are int8 in memory only.

Attention is split over positions where rows and heads alone would leave multiprocessors idle, and
the parts are then joined (Dao et al., "Flash-Decoding", 2023), each with a running softmax (Milakov
& Gimelshein, 2018). All sums are float32.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from server.models.musicgen.cuda.int8 import Int8Linear, Stored
from server.models.musicgen.quantized import LARGEST, LEAST_STEP

#: Programs that keep the largest GPUs busy: four for each multiprocessor of an H100.
NUM_PROGRAMS = 512
MAX_SPLITS = 16
MOST_STEPS, NO_STEP = tl.constexpr(float(LARGEST)), tl.constexpr(LEAST_STEP)
#: Positions that a program looks at together.
BLOCK_POSITIONS = 64
#: Rows that a product takes together, at least and at most; tensor cores take no fewer.
ROWS_TOGETHER = (16, 128)
#: Of these rows a program has so many numbers at a time, while others are on their way.
NUMBERS_AT_HAND = 8192
MOST_INPUTS = 256
STAGES = 4


def product(x: Tensor, linear: nn.Module) -> Tensor:
    """The weights of an `Int8Linear` become numbers of the format of `x` where they are used: what
    is read of memory is int8. Others are torch's."""
    if not isinstance(linear, Int8Linear):
        return linear(x)  # type: ignore[no-any-return]
    (num_rows, num_inputs), num_outputs = x.shape, len(linear.whole)
    out = torch.empty(num_rows, num_outputs, device=x.device, dtype=x.dtype)
    fewest, most = ROWS_TOGETHER
    rows = min(most, max(fewest, triton.next_power_of_2(num_rows)))
    # so narrow that all multiprocessors have something to read
    outputs = 16 if num_outputs <= 16 * NUM_PROGRAMS // 4 else 32
    _product[(triton.cdiv(num_rows, rows), triton.cdiv(num_outputs, outputs))](
        x, linear.whole, linear.steps, out, num_rows, num_inputs, num_outputs, x.stride(0),
        ROWS=rows, OUTPUTS=outputs, INPUTS=min(MOST_INPUTS, NUMBERS_AT_HAND // rows),
        num_stages=STAGES,
    )  # fmt: skip
    return out


def look_back(
    projected: Tensor, keys: Stored, values: Stored, tables: Tensor, positions: Tensor
) -> Tensor:
    num_programs = len(tables) * keys.numbers.shape[1]
    num_splits = max(1, min(MAX_SPLITS, NUM_PROGRAMS // num_programs))
    return _attended(projected, keys, values, tables, positions, num_splits, remembers=True)


def look_at_texts(
    queries: Tensor, keys: Stored, values: Stored, tables: Tensor, lengths: Tensor
) -> Tensor:
    return _attended(queries, keys, values, tables, lengths, num_splits=1, remembers=False)


def add_norm(x: Tensor, added: Tensor | None, norm: nn.LayerNorm, dtype: torch.dtype) -> Tensor:
    num_rows, dim = x.shape
    normed = torch.empty(num_rows, dim, device=x.device, dtype=dtype)
    every = 0 if added is None else num_rows // len(added)
    block = triton.next_power_of_2(dim)
    _add_norm[(num_rows,)](
        x, x if added is None else added, norm.weight, norm.bias, normed, dim, norm.eps,
        EVERY=every, BLOCK=block,
    )  # fmt: skip
    return normed


def _attended(
    given: Tensor,
    keys: Stored,
    values: Stored,
    tables: Tensor,
    lengths: Tensor,
    num_splits: int,
    remembers: bool,
) -> Tensor:
    """`given` [R, D] or, with the keys and values to remember, [R, 3D] → [R, D]."""
    num_rows, (_, num_heads, page_positions, head_dim) = len(tables), keys.numbers.shape
    seen = torch.empty(num_rows, num_heads * head_dim, device=given.device, dtype=given.dtype)
    parts = seen
    if num_splits > 1:
        shape = (num_rows, num_heads, num_splits, head_dim + 2)
        parts = torch.empty(shape, device=given.device, dtype=torch.float32)
    _attend[(num_rows, num_heads, num_splits)](
        given, keys.numbers, keys.steps, values.numbers, values.steps, tables, lengths, parts,
        given.stride(0), tables.stride(0), head_dim**-0.5,
        ROWS_PER_LENGTH=num_rows // len(lengths), HEAD_DIM=head_dim, PAGE=page_positions,
        BLOCK=BLOCK_POSITIONS, NUM_SPLITS=num_splits, REMEMBERS=remembers,
        IN_INT8=keys.steps is not None,
    )  # fmt: skip
    if num_splits > 1:
        _join[(num_rows, num_heads)](
            parts, seen, HEAD_DIM=head_dim, NUM_SPLITS=num_splits,
            SPLITS=triton.next_power_of_2(num_splits),
        )  # fmt: skip
    return seen


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    given, keys, key_steps, values, value_steps, tables, lengths, out,
    given_stride, table_stride, scale,
    ROWS_PER_LENGTH: tl.constexpr, HEAD_DIM: tl.constexpr, PAGE: tl.constexpr,
    BLOCK: tl.constexpr, NUM_SPLITS: tl.constexpr, REMEMBERS: tl.constexpr,
    IN_INT8: tl.constexpr,
):  # fmt: skip
    """One row, one head, one of `NUM_SPLITS` stretches of what is remembered."""
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    num_heads = tl.num_programs(1)
    num_there = tl.load(lengths + row // ROWS_PER_LENGTH)
    dims = tl.arange(0, HEAD_DIM)
    own = given + row * given_stride + head * HEAD_DIM + dims
    query = tl.load(own).to(tl.float32) * scale
    best = float("-inf")
    total = 0.0
    seen = tl.zeros((HEAD_DIM,), tl.float32)
    if REMEMBERS:
        # The newest position is at hand: the first stretch begins with it, and it is kept.
        if split == 0:
            key = tl.load(own + num_heads * HEAD_DIM)
            value = tl.load(own + 2 * num_heads * HEAD_DIM)
            page = tl.load(tables + row * table_stride + num_there // PAGE).to(tl.int64)
            at = (page * num_heads + head) * PAGE + num_there % PAGE
            if IN_INT8:
                # It is seen now as it will be by those that come after.
                key, step = _in_steps(key)
                tl.store(key_steps + at, step)
                tl.store(keys + at * HEAD_DIM + dims, key.to(tl.int8))
                key *= step
                value, step = _in_steps(value)
                tl.store(value_steps + at, step)
                tl.store(values + at * HEAD_DIM + dims, value.to(tl.int8))
                value *= step
            else:
                tl.store(keys + at * HEAD_DIM + dims, key)
                tl.store(values + at * HEAD_DIM + dims, value)
            best = tl.sum(query * key.to(tl.float32))
            total = 1.0
            seen = value.to(tl.float32)
    stretch = tl.cdiv(tl.cdiv(num_there, NUM_SPLITS), BLOCK) * BLOCK
    stop = tl.minimum((split + 1) * stretch, num_there)
    for first in range(split * stretch, stop, BLOCK):
        positions = first + tl.arange(0, BLOCK)
        there = positions < stop
        pages = tl.load(tables + row * table_stride + positions // PAGE, mask=there, other=0)
        at = (pages.to(tl.int64) * num_heads + head) * PAGE + positions % PAGE
        where = at[:, None] * HEAD_DIM + dims[None, :]
        key = tl.load(keys + where, mask=there[:, None], other=0.0).to(tl.float32)
        value = tl.load(values + where, mask=there[:, None], other=0.0).to(tl.float32)
        scores = tl.sum(query[None, :] * key, axis=1)
        if IN_INT8:
            scores *= tl.load(key_steps + at, mask=there, other=0.0)
            value *= tl.load(value_steps + at, mask=there, other=0.0)[:, None]
        scores = tl.where(there, scores, float("-inf"))
        new_best = tl.maximum(best, tl.max(scores, axis=0))
        shares = tl.exp(scores - new_best)
        less = tl.exp(best - new_best)
        total = total * less + tl.sum(shares, axis=0)
        seen = seen * less + tl.sum(shares[:, None] * value, axis=0)
        best = new_best
    if NUM_SPLITS == 1:
        mean = seen / tl.where(total == 0.0, 1.0, total)
        tl.store(out + (row * num_heads + head) * HEAD_DIM + dims, mean.to(out.dtype.element_ty))
    else:
        part = out + ((row * num_heads + head) * NUM_SPLITS + split) * (HEAD_DIM + 2)
        tl.store(part + dims, seen)
        tl.store(part + HEAD_DIM, best)
        tl.store(part + HEAD_DIM + 1, total)


@triton.jit
def _in_steps(numbers):  # type: ignore[no-untyped-def]
    """As `int8.in_steps`; the whole numbers are float32."""
    exact = numbers.to(tl.float32)
    step = tl.maximum(tl.div_rn(tl.max(tl.abs(exact)), MOST_STEPS), NO_STEP)
    return tl.floor(tl.div_rn(exact, step) + 0.5), step


@triton.jit
def _product(  # type: ignore[no-untyped-def]
    x, whole, steps, out, num_rows, num_inputs, num_outputs, x_stride,
    ROWS: tl.constexpr, OUTPUTS: tl.constexpr, INPUTS: tl.constexpr,
):  # fmt: skip
    """Some rows of `x` [R, inputs] and some outputs of `whole` [outputs, inputs]."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    outputs = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_row, is_output = rows < num_rows, outputs < num_outputs
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for first in range(0, num_inputs, INPUTS):
        inputs = first + tl.arange(0, INPUTS)
        is_input = inputs < num_inputs
        given = tl.load(
            x + rows[:, None] * x_stride + inputs[None, :],
            mask=is_row[:, None] & is_input[None, :], other=0.0,
        )  # fmt: skip
        weights = tl.load(
            whole + outputs[None, :] * num_inputs + inputs[:, None],
            mask=is_output[None, :] & is_input[:, None], other=0,
        )  # fmt: skip
        total = tl.dot(given, weights.to(given.dtype), total, input_precision="ieee")
    total *= tl.load(steps + outputs, mask=is_output, other=0.0)[None, :]
    at = rows[:, None] * num_outputs + outputs[None, :]
    there = is_row[:, None] & is_output[None, :]
    tl.store(out + at, total.to(out.dtype.element_ty), mask=there)


@triton.jit
def _join(  # type: ignore[no-untyped-def]
    parts, out, HEAD_DIM: tl.constexpr, NUM_SPLITS: tl.constexpr, SPLITS: tl.constexpr
):
    """The stretches of one row and head, at least one of which saw something."""
    program = tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    dims, splits = tl.arange(0, HEAD_DIM), tl.arange(0, SPLITS)
    there = splits < NUM_SPLITS
    part = parts + (program * NUM_SPLITS + splits) * (HEAD_DIM + 2)
    seen = tl.load(part[:, None] + dims[None, :], mask=there[:, None], other=0.0)
    best = tl.load(part + HEAD_DIM, mask=there, other=float("-inf"))
    total = tl.load(part + HEAD_DIM + 1, mask=there, other=0.0)
    shares = tl.exp(best - tl.max(best, axis=0))
    mean = tl.sum(seen * shares[:, None], axis=0) / tl.sum(total * shares, axis=0)
    tl.store(out + program * HEAD_DIM + dims, mean.to(out.dtype.element_ty))


@triton.jit
def _add_norm(  # type: ignore[no-untyped-def]
    x, added, weight, bias, out, dim, epsilon, EVERY: tl.constexpr, BLOCK: tl.constexpr
):
    """One row; `EVERY` so many gets something added, 0: none."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    there = at < dim
    values = tl.load(x + row * dim + at, mask=there, other=0.0)
    if EVERY > 0:
        if row % EVERY == 0:
            more = tl.load(added + row // EVERY * dim + at, mask=there, other=0.0)
            values += more.to(tl.float32)
            tl.store(x + row * dim + at, values, mask=there)
    mean = tl.sum(values, axis=0) / dim
    centred = tl.where(there, values - mean, 0.0)
    deviation = tl.sqrt(tl.sum(centred * centred, axis=0) / dim + epsilon)
    scaled = tl.load(weight + at, mask=there, other=0.0) * centred / deviation
    normed = scaled + tl.load(bias + at, mask=there, other=0.0)
    tl.store(out + row * dim + at, normed.to(out.dtype.element_ty), mask=there)
