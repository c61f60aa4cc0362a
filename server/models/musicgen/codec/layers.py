"""Building blocks of the codec: their weights, and how each works on sound that comes in pieces.

Sound is [B, n, C]: the channels of a moment lie together, as products of matrices want them, so
nothing is turned between layers.

`push` takes the next piece (n may be 0) and what the layer carried from the one before; it gives
what is now final of the output, [B, m, C'], and what to carry on. The pieces joined are what the
whole input would have given. Padding happens at the true ends only. What is carried is a copy, or
it would keep all of the piece in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, elu, linear, pad

from server.models.musicgen.codec.lstm import PackedLSTM, packed
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
        self.stride = stride
        self.dilation = dilation
        self.reach = (kernel_size - 1) * dilation
        total = self.reach + 1 - stride
        self.pad_right = total // 2
        self.pad_left = total - self.pad_right

    def lay_out(self) -> None:
        """Let the weights lie as products read them; until then each copies them."""
        weight = self.conv.weight
        weight.data = weight.data.transpose(1, 2).contiguous().transpose(1, 2)

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """For stride 1, as the decoder has it. Carries the inputs that are still within reach."""
        held, begun = (x, False) if state is None else (torch.cat([state[0], x], dim=1), state[1])
        left = 0 if begun else self.pad_left
        # A reflection at the start needs the inputs that it reflects.
        if self.pad_mode == "reflect" and held.shape[1] <= left and not last:
            return self._nothing(held), (held, False)
        held = pad_ends(held, left, self.pad_right if last else 0, self.pad_mode)
        num_ready = held.shape[1] - self.reach
        if num_ready <= 0:
            return self._nothing(held), (held, True)
        return self._convolved(held), (held[:, num_ready:].clone(), True)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, n, C] → [B, ceil(n / stride), C']."""
        extra = -x.shape[1] % self.stride  # so that no sample at the end is left out
        return self._convolved(pad_ends(x, self.pad_left, self.pad_right + extra, self.pad_mode))

    def _convolved(self, x: Tensor) -> Tensor:
        """As of pictures one line high: of those torch lets channels lie together."""
        weight = self.conv.weight.unsqueeze(2)
        picture = x.transpose(1, 2).unsqueeze(2)
        made = conv2d(picture, weight, self.conv.bias, (1, self.stride), 0, (1, self.dilation))
        return made.squeeze(2).transpose(1, 2)

    def _nothing(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], 0, self.conv.out_channels)


class TransposedConv(nn.Module):
    """Makes each input 2 · `stride` outputs; half of them are its neighbour's too, and the ends are
    trimmed."""

    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.convtr = nn.ConvTranspose1d(num_in, num_out, 2 * stride, stride)
        self.stride = stride
        self.trim_right = stride // 2
        self.trim_left = stride - self.trim_right

    def lay_out(self) -> None:
        """Let the weights lie as products read them; until then each copies them."""
        weight = self.convtr.weight
        weight.data = weight.data.permute(2, 1, 0).contiguous().permute(2, 1, 0)

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """Carries what the last input adds to outputs that the next one makes, [B, stride · C']."""
        num_out, bias = self.convtr.out_channels, self._bias()
        if not x.shape[1] and state is None:
            return x.new_zeros(len(x), 0, num_out), None
        num_inputs = x.shape[1]
        made = x.new_empty(len(x), num_inputs + last, self.stride * num_out)
        carried = state
        if num_inputs:
            own, following = self._outputs(x)
            torch.add(own, bias, out=made[:, :num_inputs])
            made[:, 1:num_inputs] += following[:, :-1]
            if state is not None:
                made[:, 0] += state
            carried = following[:, -1].clone()
        if last:
            torch.add(carried, bias, out=made[:, -1])
        begun = state is not None
        first = 0 if begun else self.trim_left
        outputs = made.view(len(x), -1, num_out)
        stop = outputs.shape[1] - (self.trim_right if last else 0)
        return outputs[:, first:stop], carried

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What each input adds to its own stretch and to the next one: [B, n, stride · C'] each."""
        weight = self.convtr.weight.permute(2, 1, 0).flatten(0, 1)  # [2 · stride · C', C]
        # torch is slow to multiply what lies in any other way than this
        outputs = linear(x.reshape(-1, x.shape[-1]), weight)
        own, following = outputs.unflatten(0, x.shape[:2]).chunk(2, dim=-1)
        return own, following

    def _bias(self) -> Tensor:
        """[stride · C']"""
        bias = self.convtr.bias
        return torch.zeros(()) if bias is None else bias.repeat(self.stride)


class ResidualLSTM(nn.Module):
    """A forward LSTM whose output is added to its input."""

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        self.lstm: nn.LSTM | PackedLSTM = nn.LSTM(dim, dim, num_layers)

    @property
    def packed_bytes(self) -> int:
        """Of weights that are no parameters any more."""
        return self.lstm.num_bytes if isinstance(self.lstm, PackedLSTM) else 0

    def lay_out(self) -> None:
        """Let the weights lie as they are read, once they are where they stay."""
        if isinstance(self.lstm, nn.LSTM) and (lstm := packed(self.lstm)) is not self.lstm:
            del self._modules["lstm"]
            self.lstm = lstm

    def push(self, x: Tensor, state: State, last: bool) -> tuple[Tensor, State]:
        """Carries the LSTM's hidden and cell state, each [B, layers, dim]."""
        if not x.shape[1]:
            return x, state
        made, carried = self.lstm(x.transpose(0, 1), None if state is None else _turned(state))
        return x + made.transpose(0, 1), _turned(carried)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, n, C] → the same shape."""
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
        direct = self.shortcut(x) if self.shortcut is not None and x.shape[1] else x
        behind = direct if behind is None else torch.cat([behind, direct], dim=1)
        num_ready = made.shape[1]
        return made + behind[:, :num_ready], (states, behind[:, num_ready:].clone())

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, n, C] → the same shape."""
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
    """`x` [B, n, C] with `left` and `right` more samples, zeros or reflected ones.

    An input too short to be reflected is first lengthened by zeros on the right, which are cut off
    again, as the reference does.
    """
    if not (left or right):
        return x
    if mode == "constant":
        return pad(x, (0, 0, left, right))
    lengthened = max(0, max(left, right) + 1 - x.shape[1])
    longer = pad(x, (0, 0, 0, lengthened)) if lengthened else x
    length = longer.shape[1]
    before, after = longer[:, 1 : left + 1].flip(1), longer[:, length - 1 - right : -1].flip(1)
    padded = torch.cat([before, longer, after], dim=1)
    return padded[:, : padded.shape[1] - lengthened]
