"""The procedural composer and synthesizer: no weights, no GPU, no key, output free of rights."""
