"""Enough of torchaudio for audiocraft to be imported where only a build for GPUs can be had.

Nothing here is called in these tests: melodies and metrics are what audiocraft uses it for.
"""

from torchaudio import transforms as transforms
