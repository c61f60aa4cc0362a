"""From the text of a line to the phonemes that the transformer has learned to sing.

The weights were trained on what one published chain of rules made of texts, its habits included.
So the rules here give the same phonemes, and where they look odd, that is why.
"""
