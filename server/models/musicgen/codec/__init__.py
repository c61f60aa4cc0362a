"""EnCodec: sound to tokens and back (Défossez et al., "High Fidelity Neural Audio Compression")."""
