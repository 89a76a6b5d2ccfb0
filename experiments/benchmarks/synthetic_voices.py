"""Sounds that are somewhat like speech, from a seed: vowels of voices, hisses, tones and noise."""

import numpy as np

RATE = 16_000  # samples a second

# Formants of vowels in Hz (Peterson, Barney, 1952, men), as in heed, head, had, hod, who'd, heard.
_FORMANTS = np.array(
    [
        [270, 2290, 3010],
        [530, 1840, 2480],
        [660, 1720, 2410],
        [730, 1090, 2440],
        [300, 870, 2240],
        [490, 1350, 1690],
    ]
)
_WIDTHS = np.array([80, 120, 160])  # of the formants, in Hz


def sounds(seed: int, count: int, samples: int) -> np.ndarray:
    """Return float32 [count, samples] from -1 to 1; two of three are voices."""
    rng = np.random.default_rng(seed)
    made = np.stack([_sound(rng, samples) for _ in range(count)])
    return np.clip(made, -1, 1).astype(np.float32)


def _sound(rng: np.random.Generator, samples: int) -> np.ndarray:
    noise = rng.normal(size=samples) * 10 ** rng.uniform(-4, -1.5)
    loudness = 10 ** rng.uniform(-1.5, -0.3)
    if rng.random() < 1 / 3:
        time = np.arange(samples) / RATE
        tone = np.sin(2 * np.pi * rng.uniform(50, 4_000) * time)
        return noise * rng.uniform(1, 10) + loudness * rng.integers(2) * tone
    voice = np.zeros(samples)
    pitch, longer = rng.uniform(80, 260), rng.uniform(0.95, 1.2)  # longer: of the formants
    begin = int(rng.uniform(0, 0.5 * samples))
    while begin < samples:
        length = min(int(rng.uniform(0.06, 0.3) * RATE), samples - begin)
        window = np.hanning(length + 2)[1:-1] ** 0.5
        if rng.random() < 0.75:
            syllable = _vowel(rng, length, pitch * rng.uniform(0.85, 1.15), longer)
        else:  # a fricative: noise of high frequencies
            syllable = 0.15 * np.diff(rng.normal(size=length + 1))
        voice[begin : begin + length] += window * syllable
        pause = rng.uniform(0.2, 0.6) if rng.random() < 0.2 else rng.uniform(0, 0.06)
        begin += length + int(pause * RATE)
    return noise + loudness * voice / max(abs(voice).max(), 1e-3)


def _vowel(rng: np.random.Generator, length: int, pitch: float, longer: float) -> np.ndarray:
    """Return harmonics of a gliding pitch, as loud as the resonances of a vowel let them be."""
    time = np.arange(length) / RATE
    glide = 1 + rng.uniform(-0.15, 0.15) * time / max(time[-1], 1e-3)
    phase = 2 * np.pi * np.cumsum(pitch * glide) / RATE
    formants = longer * _FORMANTS[rng.integers(len(_FORMANTS))]
    number = np.arange(1, int(4_000 / pitch) + 1)
    distance = (number[:, None] * pitch - formants) / _WIDTHS
    loud = (1 / np.sqrt(1 + distance**2) * [1, 0.6, 0.3]).sum(axis=1) / number**0.5
    return (loud[:, None] * np.sin(number[:, None] * phase)).sum(axis=0)
