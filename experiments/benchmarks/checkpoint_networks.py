"""The networks that `experiments.benchmarks.checkpoints` compresses, by name."""

from collections.abc import Callable

from experiments.benchmarks import digit_networks, pronunciation, text_network, voice
from experiments.benchmarks.subject import Subject
from jaxcomp.arguments import check_choice

SUBJECTS: dict[str, Callable[[], Subject]] = {
    **digit_networks.LOADERS,
    "transformer": text_network.text_network,
    "g2p_en": pronunciation.pronunciation,
    "silero_vad": voice.voice,
}


def load(name: str) -> Subject:
    """Return the network of a name in `SUBJECTS`, which may be trained first.

    Raises:
      ValueError: if there is no such network.
      ImportError: if a package that has the network or its data is not installed.
      FileNotFoundError: if its data are not prepared; the message says what to do.
    """
    check_choice("network", name, SUBJECTS)
    return SUBJECTS[name]()
