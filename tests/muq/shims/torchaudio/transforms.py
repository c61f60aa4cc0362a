import librosa
import torch


class MelSpectrogram:
    """Power of a Hann window's spectrum, in mel bands."""

    def __init__(self, sample_rate, n_fft, hop_length, n_mels):
        bands = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, htk=True, norm=None)
        self._bands = torch.from_numpy(bands)
        self._n_fft, self._hop_length = n_fft, hop_length

    def to(self, device):
        self._bands = self._bands.to(device)
        return self

    def __call__(self, waves):
        window = torch.hann_window(self._n_fft, device=waves.device)
        spectrum = torch.stft(
            waves, self._n_fft, self._hop_length, window=window, return_complex=True
        )
        return self._bands @ spectrum.abs().square()


class AmplitudeToDB:
    """Power in decibels."""

    def to(self, device):
        return self

    def __call__(self, power):
        return 10 * torch.log10(power.clamp(min=1e-10))


class Spectrogram:
    """Of an encoder that is not used here, as those below."""


class TimeStretch:
    pass


class FrequencyMasking:
    pass


class TimeMasking:
    pass
