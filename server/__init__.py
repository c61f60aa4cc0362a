"""Continuo: a self-hosted music-generation server."""

__version__ = "0.1.0"
