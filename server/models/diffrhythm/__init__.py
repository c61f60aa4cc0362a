"""DiffRhythm: lyrics with times to a whole song, by latent diffusion. The model is described in
Ning et al., "DiffRhythm: Blazingly Fast and Embarrassingly Simple End-to-End Full-Length Song
Generation with Latent Diffusion" (2025).
"""
