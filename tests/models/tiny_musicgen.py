"""The tiny checkpoints of `tests/fixtures/musicgen`, under the names of the published ones."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures" / "musicgen"
TINY_NAME = "facebook/musicgen-small"
STEREO_NAME = "facebook/musicgen-stereo-small"
VARIANTS = {TINY_NAME: "mono", STEREO_NAME: "stereo"}


def tiny_checkpoints(models_dir: Path, layout: str = "huggingface") -> Path:
    """Fill `models_dir` as an operator would: the checkpoints, and T5 for audiocraft's layout."""
    (models_dir / "facebook").mkdir(parents=True, exist_ok=True)
    for name, variant in VARIANTS.items():
        (models_dir / name).symlink_to(FIXTURES / variant / layout)
    (models_dir / "t5-base").symlink_to(FIXTURES / "mono" / "t5")
    return models_dir
