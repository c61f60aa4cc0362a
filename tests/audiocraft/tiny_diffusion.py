"""A tiny MultiBand Diffusion with random weights, of the package's own classes, in the layout of
the published file: pickled OmegaConf configurations beside the tensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from server.models.multiband_weights import FILE, REPOSITORY

SAMPLE_RATE = 32_000
#: Of the tiny codec.
CODEC_DIM = 16
SCHEDULE = {
    "repartition": "power",
    "variable_step_batch": True,
    "beta_t0": 1e-5,
    "beta_t1": 2.9e-2,
    "beta_exp": 7.5,
    "num_steps": 1000,
    "variance": "beta",
    "clip": 5.0,
    "rescale": 1.0,
    "n_bands": None,
    "noise_scale": 1.0,
}
NETWORK = {
    "hidden": 8,
    "depth": 3,
    "res_blocks": 1,
    "norm_groups": 4,
    "kernel": 8,
    "stride": 4,
    "growth": 2,
    "dropout": 0.0,
    "emb_all_layers": True,
    "cross_attention": False,
    "codec_dim": CODEC_DIM,
}
#: One band with each of the two bottlenecks that listen to the codec.
BOTTLENECKS = ({"bilstm": True, "transformer": False}, {"bilstm": False, "transformer": True})


def write_diffusion(models_dir: Path, seed: int = 1) -> Path:
    """The file where an operator would put it."""
    torch.manual_seed(seed)
    bands = {index: _band(bottleneck) for index, bottleneck in enumerate(BOTTLENECKS)}
    folder = models_dir / REPOSITORY
    folder.mkdir(parents=True)
    torch.save({"sample_rate": SAMPLE_RATE, "n_bands": len(bands), **bands}, folder / FILE)
    return folder / FILE


def _band(bottleneck: dict[str, bool]) -> dict[str, Any]:
    from audiocraft.models.builders import get_diffusion_model, get_processor
    from omegaconf import OmegaConf

    processor = {
        "name": "multi_band_processor",
        "use": True,
        "n_bands": 4,
        "num_samples": 10,
        "power_std": 0.8,
    }
    config = OmegaConf.create(
        {
            "channels": 1,
            "sample_rate": SAMPLE_RATE,
            "schedule": SCHEDULE,
            "diffusion_unet": {**NETWORK, **bottleneck},
            "processor": processor,
            "resampling": {"use": False, "target_sr": "${sample_rate}"},
        }
    )
    OmegaConf.set_struct(config, True)
    statistics = get_processor(config.processor, SAMPLE_RATE)
    statistics.project_sample(0.1 * torch.randn(10, 1, SAMPLE_RATE // 10))
    return {
        "cfg": config,
        "model_state": get_diffusion_model(config).state_dict(),
        "processor_state": statistics.state_dict(),
    }
