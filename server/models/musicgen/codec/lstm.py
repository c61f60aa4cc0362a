"""The codec's LSTM on a CPU, with weights in the order that oneDNN reads them.

`nn.LSTM` brings 33 MB of them into that order at every call, which takes longer than a short piece
of sound itself. What it computes then is the same, bit for bit.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

#: Hidden and cell state, [layers, B, dim] each.
Carried: TypeAlias = tuple[Tensor, Tensor]
#: oneDNN's number of an LSTM among recurrent networks, as torch passes it on.
IS_LSTM = 2


class PackedLSTM:
    """What `nn.LSTM` does in one direction; `lstm` has no weights of its own any more."""

    def __init__(self, lstm: nn.LSTM) -> None:
        self.dim = lstm.hidden_size
        weights = [getattr(lstm, name) for name in lstm._flat_weights_names]
        self.num_bytes = sum(weight.nbytes for weight in weights)
        self._layers = [self._layer(*weights[4 * i : 4 * i + 4]) for i in range(lstm.num_layers)]

    def _layer(self, given: Tensor, own: Tensor, *biases: Tensor) -> tuple[Tensor, ...]:
        packed = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight(
            given.data, own.data, self.dim, False, True, False, None
        )
        return (*packed, *(bias.data for bias in biases))

    def __call__(self, x: Tensor, carried: Carried | None) -> tuple[Tensor, Carried]:
        """`x` [n, B, dim] → the same, and what to carry on."""
        shape = (len(self._layers), x.shape[1], self.dim)
        hidden, cell = (x.new_zeros(shape), x.new_zeros(shape)) if carried is None else carried
        x, states = x.contiguous(), []  # it is read as if it were
        for layer, *before in zip(self._layers, hidden.split(1), cell.split(1), strict=True):
            x, *after, _ = torch.ops.aten.mkldnn_rnn_layer(
                *(x, *layer, *before, False, [], IS_LSTM, self.dim, 1, True, False, False, False)
            )
            states.append(after)
        hidden, cell = (torch.cat(parts) for parts in zip(*states, strict=True))
        return x, (hidden, cell)


def packed(lstm: nn.LSTM) -> PackedLSTM | nn.LSTM:
    """`lstm` itself where torch does not compute it by oneDNN, or has other names for that."""
    weight = cast("Tensor", lstm.weight_ih_l0)
    try:
        if not _is_by_onednn(weight):
            return lstm
        made = PackedLSTM(lstm)
        made(weight.new_zeros(1, 1, made.dim), None)
    except (AttributeError, RuntimeError, TypeError):
        return lstm
    return made


def _is_by_onednn(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32
