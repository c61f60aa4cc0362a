"""Reads a request: the prompt, in English or Chinese, and the explicit fields."""
