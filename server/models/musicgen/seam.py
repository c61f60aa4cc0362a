"""Where a recording ends and the music that goes on from it begins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from server.events import Samples


class Seam:
    """Joins new music to `given` [channels, n].

    The model's sound begins with the last `num_repeated` samples of `given` once more, as the codec
    tells them: so like the recording that over `num_faded` samples one becomes the other unheard.
    What lies before is the recording itself.
    """

    def __init__(self, given: Samples, num_repeated: int, num_faded: int) -> None:
        self._num_faded = min(num_faded, num_repeated)
        num_kept = given.shape[1] - self._num_faded
        self._kept, self._faded = given[:, :num_kept], given[:, num_kept:]
        #: Of the model's next sample; 0 is the first after the recording.
        self._position = -num_repeated

    def before(self, num_samples: int) -> Iterator[Samples]:
        """What comes before the model's sound, in pieces of up to `num_samples`."""
        for start in range(0, self._kept.shape[1], num_samples):
            yield self._kept[:, start : start + num_samples]

    def join(self, samples: Samples) -> Samples:
        """What of the model's next `samples` [channels, n] is heard, and how: [channels, m]."""
        num_unheard = min(max(0, -self._num_faded - self._position), samples.shape[1])
        first = self._position + num_unheard
        self._position += samples.shape[1]
        heard = samples[:, num_unheard:]
        if first >= 0 or not heard.shape[1]:
            return heard
        return self._crossfaded(heard, first + self._num_faded)

    def _crossfaded(self, heard: Samples, start: int) -> Samples:
        """`heard`, whose first sample lies at `start` of the fade."""
        count = min(self._num_faded - start, heard.shape[1])
        share = (start + np.arange(count, dtype=np.float32) + 0.5) / np.float32(self._num_faded)
        old = self._faded[:, start : start + count]
        blend = old * (1 - share) + heard[:, :count] * share
        return np.concatenate([blend, heard[:, count:]], axis=1)
