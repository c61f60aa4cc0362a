"""MusicGen's decode step for CPUs, in C++.

`native/` is the C++, `building` compiles it, `library` loads it, `packing` turns weights into what
it reads, `memory` is what sequences and texts leave there, and `backend` is the whole of it as the
engine sees it.
"""
