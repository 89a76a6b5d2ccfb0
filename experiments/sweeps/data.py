"""The data sets that sweeps of one fixed network can train on."""

from jaxcomp.data import DATASETS

# LeNet-300-100 reads images, all of which lie in memory.
IMAGES = [name for name, data in DATASETS.items() if data.in_memory and not data.is_text]
