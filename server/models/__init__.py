"""Models: what makes audio. Knows nothing of HTTP, jobs or dialects."""
