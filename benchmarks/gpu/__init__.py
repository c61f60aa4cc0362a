"""MusicGen on a GPU, measured unattended: `python -m benchmarks.gpu`."""
