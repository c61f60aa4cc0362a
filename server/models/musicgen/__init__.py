"""MusicGen: text to music by a language model over audio tokens, and a codec that turns them into
sound. The model is described in Copet et al., "Simple and Controllable Music Generation" (2023).
"""
