"""Building blocks of the codec: their weights, and how each works on sound that comes in pieces.

A `Stream` takes its input piece by piece and gives what is final of its output; the pieces joined
are what the whole input would have given. Padding happens at the true ends only.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose1d, elu, pad

State = tuple[Tensor, Tensor]


class Stream(Protocol):
    """A layer at work on one sound."""

    def push(self, x: Tensor, last: bool) -> Tensor:
        """Take the next [B, C, n] (n may be 0) and give what is now final, [B, C', m]."""
        ...


class Streamable(Protocol):
    """A layer that can be put to work; its weights are shared by all its streams."""

    def stream(self) -> Stream: ...


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

    def stream(self) -> Stream:
        """For stride 1, as the decoder has it."""
        return ConvStream(self)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → [B, C', ceil(n / stride)]."""
        stride = self.conv.stride[0]
        extra = -x.shape[-1] % stride  # so that no sample at the end is left out
        padded = pad_ends(x, self.pad_left, self.pad_right + extra, self.pad_mode)
        return self.conv(padded)  # type: ignore[no-any-return]


class ConvStream:
    """Keeps the last inputs that the next outputs still reach."""

    def __init__(self, layer: Conv) -> None:
        self._layer = layer
        self._held: Tensor | None = None
        self._begun = False

    def push(self, x: Tensor, last: bool) -> Tensor:
        layer = self._layer
        held = x if self._held is None else torch.cat([self._held, x], dim=-1)
        left = 0 if self._begun else layer.pad_left
        right = layer.pad_right if last else 0
        # A reflection at the start needs the inputs that it reflects.
        waits = layer.pad_mode == "reflect" and held.shape[-1] <= left and not last
        if not waits:
            held = pad_ends(held, left, right, layer.pad_mode)
            self._begun = True
        num_ready = held.shape[-1] - layer.reach
        if waits or num_ready <= 0:
            self._held = held
            return held.new_zeros(held.shape[0], layer.conv.out_channels, 0)
        self._held = held[..., num_ready:]
        return layer.conv(held)  # type: ignore[no-any-return]


class TransposedConv(nn.Module):
    """Makes each input `stride` outputs; neighbours overlap, and the ends are trimmed."""

    def __init__(self, num_in: int, num_out: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.convtr = nn.ConvTranspose1d(num_in, num_out, kernel_size, stride)
        self.stride = stride
        self.overlap = kernel_size - stride
        self.trim_right = self.overlap // 2
        self.trim_left = self.overlap - self.trim_right

    def stream(self) -> Stream:
        return TransposedConvStream(self)


class TransposedConvStream:
    """Carries the part of the output that the next input adds to."""

    def __init__(self, layer: TransposedConv) -> None:
        self._layer = layer
        self._carried: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        layer = self._layer
        if x.shape[-1]:
            summed = self._added(x)
        elif self._carried is not None:
            summed = self._carried
        else:
            return x.new_zeros(x.shape[0], layer.convtr.out_channels, 0)
        num_final = summed.shape[-1] - (layer.trim_right if last else layer.overlap)
        self._carried = summed[..., num_final:]
        bias = layer.convtr.bias
        return summed[..., :num_final] + (0 if bias is None else bias[:, None])

    def _added(self, x: Tensor) -> Tensor:
        """[B, C', n · stride + overlap], its start added to what was carried or trimmed."""
        layer, carried = self._layer, self._carried
        made = conv_transpose1d(x, layer.convtr.weight, stride=layer.stride)
        if carried is None:
            return made[..., layer.trim_left :]
        made[..., : layer.overlap] += carried
        return made


class ResidualLSTM(nn.Module):
    """A forward LSTM whose output is added to its input."""

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, num_layers)

    def stream(self) -> Stream:
        return ResidualLSTMStream(self)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → the same shape."""
        return self.stream().push(x, last=True)


class ResidualLSTMStream:
    """Carries the LSTM's state."""

    def __init__(self, layer: ResidualLSTM) -> None:
        self._lstm = layer.lstm
        self._state: State | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        if not x.shape[-1]:
            return x
        made, self._state = self._lstm(x.permute(2, 0, 1), self._state)
        return made.permute(1, 2, 0) + x


class Activation(nn.Module):
    """ELU."""

    def stream(self) -> Stream:
        return ActivationStream()

    def forward(self, x: Tensor) -> Tensor:
        return elu(x)


class ActivationStream:
    """Remembers nothing."""

    def push(self, x: Tensor, last: bool) -> Tensor:
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

    def stream(self) -> Stream:
        return ResidualBlockStream(self)

    def forward(self, x: Tensor) -> Tensor:
        """The whole of a sound, [B, C, n] → the same shape."""
        return self.stream().push(x, last=True)


class ResidualBlockStream:
    """Holds back the input until the convolutions, which look ahead, have caught up."""

    def __init__(self, layer: ResidualBlock) -> None:
        self._chain = Chain(layer.block)
        self._shortcut = layer.shortcut
        self._behind: Tensor | None = None

    def push(self, x: Tensor, last: bool) -> Tensor:
        made = self._chain.push(x, last)
        direct = self._shortcut(x) if self._shortcut is not None and x.shape[-1] else x
        behind = direct if self._behind is None else torch.cat([self._behind, direct], dim=-1)
        num_ready = made.shape[-1]
        self._behind = behind[..., num_ready:]
        return made + behind[..., :num_ready]


class Chain:
    """Streams one after the other."""

    def __init__(self, layers: nn.ModuleList) -> None:
        typed = cast("list[Streamable]", list(layers))
        self._streams = [layer.stream() for layer in typed]

    def push(self, x: Tensor, last: bool) -> Tensor:
        for stream in self._streams:
            x = stream.push(x, last)
        return x


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
