"""Published checkpoints: where they lie, and how their files are read, whatever the model."""
