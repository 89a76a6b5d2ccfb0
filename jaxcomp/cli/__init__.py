"""Runs the command `jaxcomp`: files and checks, no training."""

from collections.abc import Sequence

from jaxcomp.cli.stopping import stoppable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    The status is 0, or 1 if a file cannot be used or a statement fails. A signal, such as that of
    Ctrl-C, ends the process with 128 plus its number; no half-written file is left.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import cli, codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"kernel": np.eye(3)})
      ...     cli.main(["decompress", f"{folder}/model.jxc", "-o", f"{folder}/model.npz"])
      0
    """
    with stoppable("jaxcomp"):
        from jaxcomp.cli.command import run  # takes half a second, in which signals arrive too

        return run(arguments)
