"""Enough of torchaudio for muq to run where only a build for GPUs can be had."""

from torchaudio import transforms as transforms
