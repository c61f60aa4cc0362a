"""DiffRhythm (Ning et al., 2025): lyrics with times to a whole song, by flow matching on latents.

Our own inference over the official checkpoints.
"""
