"""MusicGen's decode step for GPUs, recorded once for each size of a batch and replayed.

`pages` is the memory of sequences and texts, `inputs` the tensors that a step reads, `step` the
step over them, `operations` its innermost parts, in torch (`plain`) and in Triton (`kernels`),
`int8` numbers in eight bits, `recording` what makes a graph of it, `lanes` the streams of the
device, and `backend` the whole of it as the engine sees it. Without a GPU the same code runs on a
CPU, with nothing recorded.
"""
