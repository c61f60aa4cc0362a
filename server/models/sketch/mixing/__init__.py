"""Puts the sounds together: tracks, buses, effects and the master."""
