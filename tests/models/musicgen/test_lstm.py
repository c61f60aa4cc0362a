"""The codec's LSTM with packed weights against torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicgen")

from torch import Tensor, nn

from server.models.musicgen.codec.layers import ResidualLSTM
from server.models.musicgen.codec.lstm import PackedLSTM, packed

DIM, NUM_LAYERS = 48, 2
needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN"
)


def random_lstm(dtype: torch.dtype = torch.float32) -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(DIM, DIM, NUM_LAYERS).to(dtype).requires_grad_(False)


def pieces_of(num_rows: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """[n, B, DIM] each, as they lie in [B, n, DIM]."""
    sizes = [(num_rows, length, DIM) for length in (1, 7, 30, 2)]
    return [torch.randn(size).to(dtype).transpose(0, 1) for size in sizes]


@needs_onednn
@pytest.mark.parametrize("num_rows", [1, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_torchs_own_bit_for_bit(num_rows: int, dtype: torch.dtype) -> None:
    """Piece after piece, with what was carried on."""
    theirs, ours = random_lstm(dtype), packed(random_lstm(dtype))
    if dtype == torch.float32:
        assert isinstance(ours, PackedLSTM)
    carried, expected_carried = None, None
    for piece in pieces_of(num_rows, dtype):
        expected, expected_carried = theirs(piece, expected_carried)
        found, carried = ours(piece, carried)
        assert torch.equal(found, expected)
        assert all(map(torch.equal, carried, expected_carried))


def test_where_torch_has_no_such_function_its_own_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lstm = random_lstm()
    assert packed(lstm.to(torch.float64)) is lstm
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight", None, raising=False)
    lstm = random_lstm()
    assert packed(lstm) is lstm


@needs_onednn
def test_a_layer_is_packed_once_and_counts_what_it_holds() -> None:
    layer = ResidualLSTM(DIM, NUM_LAYERS).requires_grad_(False)
    held = sum(parameter.nbytes for parameter in layer.parameters())
    x = torch.randn(2, 9, DIM)
    expected, state = layer.push(x, None, last=False)
    layer.lay_out()
    lstm = layer.lstm
    layer.lay_out()
    assert layer.lstm is lstm
    assert layer.packed_bytes == held
    assert list(layer.parameters()) == []
    found, carried = layer.push(x, None, last=False)
    assert torch.equal(found, expected)
    assert all(map(torch.equal, carried, state))
