"""Writes the score: form, harmony, bass, drums, melody."""
