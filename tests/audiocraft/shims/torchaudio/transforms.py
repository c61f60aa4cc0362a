class MelSpectrogram:
    """A base class of audiocraft's losses."""
