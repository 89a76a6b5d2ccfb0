"""The data sets that sweeps of one fixed network can train on."""

from jaxcomp.data import DATASETS, STREAMED

# LeNet-300-100 reads images, all of which lie in memory.
IMAGES = [name for name in DATASETS if name not in (*STREAMED, "sonnets")]
