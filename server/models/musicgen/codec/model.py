"""The codec as a whole: tokens to sound, whole or as a stream, and sound to tokens."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn

from server.models.musicgen.checkpoint.config import CodecConfig
from server.models.musicgen.codec.layers import (
    Activation,
    Conv,
    ResidualBlock,
    ResidualLSTM,
    TransposedConv,
    push_through,
)
from server.models.musicgen.codec.states import State, form, joined, split


class Quantizer(nn.Module):
    """Residual vector quantization: a frame is the sum of one vector of each codebook."""

    def __init__(self, num_codebooks: int, codebook_size: int, dim: int) -> None:
        super().__init__()
        self.num_codebooks = num_codebooks
        self.codebook_size = codebook_size
        self.codebooks = nn.Parameter(torch.empty(num_codebooks * codebook_size, dim))

    def decode(self, codes: Tensor) -> Tensor:
        """[B, K, n] → [B, n, dim]."""
        first_rows = torch.arange(self.num_codebooks, device=codes.device) * self.codebook_size
        return self.codebooks[codes + first_rows[:, None]].sum(dim=1)

    def encode(self, frames: Tensor) -> Tensor:
        """[B, n, dim] → [B, K, n]: in each codebook the vector nearest to what is left."""
        rest = frames
        codes = []
        for codebook in self.codebooks.split(self.codebook_size):
            distances = codebook.pow(2).sum(-1) - 2 * rest @ codebook.t()  # less a constant
            code = distances.argmin(dim=-1)
            rest = rest - codebook[code]
            codes.append(code)
        return torch.stack(codes, dim=1)


class Decoder(nn.Module):
    """Latent frames [B, n, dim] → samples [B, n · hop, 1]."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.num_filters * 2 ** len(config.ratios)
        mode = config.pad_mode
        layers: list[nn.Module] = [
            Conv(config.dimension, width, config.kernel_size, mode),
            ResidualLSTM(width, config.num_lstm_layers),
        ]
        for ratio in config.ratios:
            layers += [Activation(), TransposedConv(width, width // 2, ratio)]
            width //= 2
            layers += residual_blocks(config, width)
        layers += [Activation(), Conv(width, 1, config.last_kernel_size, mode)]
        self.layers = nn.ModuleList(layers)


class Encoder(nn.Module):
    """Samples [B, n, 1] → latent frames [B, ceil(n / hop), dim]."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.num_filters
        mode = config.pad_mode
        layers: list[nn.Module] = [Conv(1, width, config.kernel_size, mode)]
        for ratio in reversed(config.ratios):
            layers += residual_blocks(config, width)
            layers += [Activation(), Conv(width, 2 * width, 2 * ratio, mode, stride=ratio)]
            width *= 2
        layers += [
            ResidualLSTM(width, config.num_lstm_layers),
            Activation(),
            Conv(width, config.dimension, config.last_kernel_size, mode),
        ]
        self.layers = nn.ModuleList(layers)


def residual_blocks(config: CodecConfig, width: int) -> list[nn.Module]:
    """The residual blocks of one resolution, each looking farther than the one before."""
    return [
        ResidualBlock(
            width,
            width // config.compress,
            config.residual_kernel_size,
            config.dilation_growth**depth,
            config.pad_mode,
            config.conv_shortcut,
        )
        for depth in range(config.num_residual_layers)
    ]


class Codec(nn.Module):
    """One channel a row: stereo is two rows."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantizer = Quantizer(config.num_codebooks, config.codebook_size, config.dimension)

    def place(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move to `device`; what makes sound becomes `dtype`. What encodes stays float32: music
        goes on from its tokens, and one of them is another at the least rounding."""
        self.to(device, torch.float32)
        self.decoder.to(dtype)
        for module in self.modules():
            if isinstance(module, Conv | TransposedConv | ResidualLSTM):
                module.lay_out()

    @property
    def weights_bytes(self) -> int:
        packed = (each.packed_bytes for each in self.modules() if isinstance(each, ResidualLSTM))
        return sum(parameter.nbytes for parameter in self.parameters()) + sum(packed)

    def stream(self, channels: int) -> DecoderStream:
        """Begin to decode a sound of `channels` channels."""
        return DecoderStream(self, channels)

    def push(
        self, streams: Sequence[DecoderStream], codes: Sequence[Tensor], last: bool
    ) -> list[Tensor]:
        """The next codes of several sounds of the same `form`, decoded at once.

        Each of `codes` is [channels · K, n], channels alternating; gives samples [channels, m]. If
        it fails the streams are as before.
        """
        channels = streams[0].channels
        by_channel = [each.unflatten(0, (-1, channels)).transpose(0, 1) for each in codes]
        dtype = next(self.decoder.parameters()).dtype
        x = self.quantizer.decode(torch.cat(by_channel)).to(dtype)  # [rows, n, dim]
        state = joined([stream.state for stream in streams])
        samples, state = push_through(self.decoder.layers, x, state, last)
        for stream, own in zip(streams, split(state, channels, len(streams)), strict=True):
            stream.state = own
        return list(samples[..., 0].split(channels))

    def decode(self, codes: Tensor, channels: int) -> Tensor:
        """A whole sound: `codes` [channels · K, n] → samples [channels, n · hop]."""
        return self.stream(channels).push(codes, last=True)

    def encode(self, samples: Tensor) -> Tensor:
        """`samples` [channels, n] float32 → codes [channels · K, ceil(n / hop)]."""
        x = samples[..., None]
        for layer in self.encoder.layers:
            x = layer(x)
        codes = self.quantizer.encode(x)  # [channels, K, n]
        return codes.transpose(0, 1).flatten(0, 1)


class DecoderStream:
    """A sound that is decoded as its tokens come; joined, the pieces are the whole decode.

    The decoder looks 3.75 frames ahead, so the sound stays so far behind until the last push.
    """

    def __init__(self, codec: Codec, channels: int) -> None:
        self.codec = codec
        self.channels = channels
        self.state: State = None

    @property
    def form(self) -> Hashable:
        """Sounds of equal form can be decoded together."""
        return self.channels, form(self.state)

    def push(self, codes: Tensor, last: bool) -> Tensor:
        """The next `codes` [channels · K, n], channels alternating → samples [channels, m]."""
        return self.codec.push([self], [codes], last)[0]
