"""How the tests compile: quickly, since most of their programs run once.

Compiling takes most of the time of the tests. With few optimizations, and where XLA still has them
with its older emitters of loops, it takes 0.4 of the time. With JAX_DISABLE_MOST_OPTIMIZATIONS=0 in
the environment the tests test what users run, as the commands of README.md and the notebooks do.
"""

from collections.abc import Mapping

import jaxlib

_OLDER_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
_WITHOUT_THEM = (0, 11)  # the version of jaxlib, to which the flag is an error


def flags(environment: Mapping[str, str]) -> str:
    """XLA_FLAGS for an environment that says whether to optimize."""
    given = environment.get("XLA_FLAGS", "")
    version = tuple(map(int, jaxlib.__version__.split(".")[:2]))
    if environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "0" or version >= _WITHOUT_THEM:
        return given
    return f"{given} {_OLDER_EMITTERS}".strip()
