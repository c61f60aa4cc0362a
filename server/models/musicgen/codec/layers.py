"""Building blocks of the codec: their weights, and how each works on sound that comes in pieces.

`push` takes the next piece [B, C, n] (n may be 0) and what the layer carried from the one before;
it gives what is now final of the output, [B, C', m], and what to carry on. The pieces joined are
what the whole input would have given. Padding happens at the true ends only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, pad

from server.models.musicgen.codec.states import State


class Layer(Protocol):
    """A layer that can work on pieces; it carries nothing itself, so many sounds can share it."""

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]: ...


class Conv(nn.Module):
    """A convolution whose padding keeps the length (divided by the stride), half on each side."""

    def __init__(
        self,
        num_in: int,
        num_out: int,
        kernel_size: int,
        pad_mode: str,
        *,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(num_in, num_out, kernel_size, stride, dilation=dilation)
        self.pad_mode = pad_mode
        self.reach = (kernel_size - 1) * dilation
        total = self.reach + 1 - stride
        self.pad_right = total // 2
        self.pad_left = total - self.pad_right

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """For stride 1, as the decoder has it. Carries the inputs that are still within reach."""
        held, begun = (x, False) if state is None else (torch.cat([state[0], x], dim=-1), state[1])
        left = 0 if begun else self.pad_left
        # A reflection at the start needs the inputs that it reflects.
        if self.pad_mode == "reflect" and held.shape[-1] <= left and not last:
            return self._nothing(held), (held, False)
        held = pad_ends(held, left, self.pad_right if last else 0, self.pad_mode)
        num_ready = held.shape[-1] - self.reach
        if num_ready <= 0:
            return self._nothing(held), (held, True)
        return self.conv(held), (held[..., num_ready:], True)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → [B, C', ceil(n / stride)]."""
        stride = self.conv.stride[0]
        extra = -x.shape[-1] % stride  # so that no sample at the end is left out
        padded = pad_ends(x, self.pad_left, self.pad_right + extra, self.pad_mode)
        return self.conv(padded)  # type: ignore[no-any-return]

    def _nothing(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], self.conv.out_channels, 0)


class TransposedConv(nn.Module):
    """Makes each input 2 · `stride` outputs; half of them are its neighbour's too, and the ends are
    trimmed.

    A product of matrices: for a few frames of many channels torch's transposed convolution takes
    several times as long on a CPU.
    """

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.convtr = nn.ConvTranspose1d(num_in, num_out, 2 * stride, stride)
        self.stride = stride
        self.trim_right = stride // 2
        self.trim_left = stride - self.trim_right

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """Carries the outputs that the next input adds to."""
        if not x.shape[-1] and state is None:
            return x.new_zeros(x.shape[0], self.convtr.out_channels, 0), None
        summed = self._added(x, state) if x.shape[-1] else state
        num_final = summed.shape[-1] - (self.trim_right if last else self.stride)
        bias = self.convtr.bias
        final = summed[..., :num_final] + (0 if bias is None else bias[:, None])
        return final, summed[..., num_final:]

    def _added(self, x: Tensor, carried: Tensor | None) -> Tensor:
        """[B, C', (n + 1) · stride], its start added to what was carried or trimmed."""
        own, following = self._outputs(x)
        made = pad(own, (0, self.stride))
        made[..., self.stride :] += following
        if carried is None:
            return made[..., self.trim_left :]
        made[..., : self.stride] += carried
        return made

    def _outputs(self, x: Tensor) -> Tensor:
        """What each input adds to its own stretch and to the next one, [2, B, C', n · stride]."""
        inputs = x.transpose(1, 2).flatten(0, 1)  # [B · n, C]
        outputs = inputs @ self.convtr.weight.flatten(1)  # [B · n, C' · 2 · stride]
        by_half = outputs.view(len(x), x.shape[-1], -1, 2, self.stride)
        return by_half.permute(3, 0, 2, 1, 4).flatten(3)


class ResidualLSTM(nn.Module):
    """A forward LSTM whose output is added to its input."""

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, num_layers)

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """Carries the LSTM's hidden and cell state, each [B, layers, dim]."""
        if not x.shape[-1]:
            return x, state
        made, carried = self.lstm(x.permute(2, 0, 1), None if state is None else _turned(state))
        return made.permute(1, 2, 0) + x, _turned(carried)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → the same shape."""
        return self.push(x, None, last=True)[0]


class Activation(nn.Module):
    """ELU. Carries nothing."""

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        return elu(x), None

    def forward(self, x: Tensor) -> Tensor:
        return elu(x)


class ResidualBlock(nn.Module):
    """Two convolutions through a narrower middle, added to the input or to its projection."""

    def __init__(
        self, dim: int, middle: int, kernel_size: int, dilation: int, pad_mode: str, shortcut: bool
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            [
                Activation(),
                Conv(dim, middle, kernel_size, pad_mode, dilation=dilation),
                Activation(),
                Conv(middle, dim, 1, pad_mode),
            ]
        )
        self.shortcut = Conv(dim, dim, 1, pad_mode) if shortcut else None

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """Carries the input until the convolutions, which look ahead, have caught up."""
        states, behind = (None, None) if state is None else state
        made, states = push_through(self.block, x, states, last)
        direct = self.shortcut(x) if self.shortcut is not None and x.shape[-1] else x
        behind = direct if behind is None else torch.cat([behind, direct], dim=-1)
        num_ready = made.shape[-1]
        return made + behind[..., :num_ready], (states, behind[..., num_ready:])

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → the same shape."""
        return self.push(x, None, last=True)[0]


def push_through(
    layers: nn.ModuleList, x: Tensor, states: State, last: bool
) -> tuple[Tensor, State]:
    """Layers one after the other; carries what each of them carries."""
    typed = cast("Iterable[Layer]", layers)
    carried = []
    for layer, state in zip(typed, states or [None] * len(layers), strict=True):
        x, state = layer.push(x, state, last)
        carried.append(state)
    return x, tuple(carried)


def _turned(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Between [layers, B, dim], as torch has it, and [B, layers, dim]."""
    hidden, cell = state
    return hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous()


def pad_ends(x: Tensor, left: int, right: int, mode: str) -> Tensor:
    """`x` [B, C, n] with `left` and `right` more samples, zeros or reflected ones.

    An input too short to be reflected is first lengthened by zeros on the right, which are cut off
    again, as the reference does.
    """
    if mode == "constant" or not (left or right):
        return pad(x, (left, right))
    lengthened = max(0, max(left, right) + 1 - x.shape[-1])
    padded = pad(pad(x, (0, lengthened)), (left, right), mode="reflect")
    return padded[..., : padded.shape[-1] - lengthened]
