"""Controllers: HTTP and the wire dialects. Know nothing of models."""
