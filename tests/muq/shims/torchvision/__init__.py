"""Enough of torchvision for x_clip to be imported; nothing of it is called."""

from torchvision import transforms as transforms
