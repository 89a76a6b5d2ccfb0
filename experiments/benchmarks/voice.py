"""The network of Silero VAD as a subject of compression, on synthetic sounds.

There are no labels: the quality says how far its answers are from those of the float32 network.
"""

from functools import cache

import jax
import numpy as np

from experiments.benchmarks.subject import (
    BATCH,
    EXAMPLES,
    SPLITS,
    Params,
    Subject,
    check_examples,
    check_split,
)
from experiments.benchmarks.synthetic_voices import sounds
from experiments.benchmarks.voice_network import CHUNK, logits, packaged_params

CHUNKS = 32  # of a sound: about a second
_JUDGED = 512  # sounds of a split
_MOST = 2**16  # sounds of a draw of calibration inputs

_probabilities = jax.jit(lambda params, sounds: jax.nn.softmax(logits(params, sounds))[..., 1])


def voice() -> Subject:
    """Return the network; the quality is the mean difference of probabilities, in points of %."""
    dense = packaged_params()

    def quality(params: Params, split: str) -> float:
        check_split(split)
        judged = np.split(_sounds_of(split), _JUDGED // BATCH)
        apart = [abs(_probabilities(params, x) - _probabilities(dense, x)).mean() for x in judged]
        return 100 * float(np.mean(apart))

    def batches(seed: int, examples: int = EXAMPLES) -> list[tuple[np.ndarray, ...]]:
        check_examples(examples, _MOST)
        # Seeds of draws come behind those of the splits.
        drawn = sounds(len(SPLITS) + seed, examples, CHUNKS * CHUNK)
        return [(batch,) for batch in np.split(drawn, examples // BATCH)]

    unit = "% mean difference of probabilities"
    return Subject("silero_vad", dense, logits, batches, quality, unit, losses=(0.5, 1.0, 2.0))


@cache
def _sounds_of(split: str) -> np.ndarray:
    return sounds(SPLITS.index(split), _JUDGED, CHUNKS * CHUNK)
