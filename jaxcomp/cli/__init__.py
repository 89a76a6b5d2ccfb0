"""The command `jaxcomp`: files and checks, no training."""

from collections.abc import Sequence

from jaxcomp.cli.stopping import stoppable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    It is 0, or 1 if a file cannot be used or a statement fails. A signal, such as that of Ctrl-C,
    ends the process with 128 and its number; nothing half-written is left.
    """
    with stoppable("jaxcomp"):
        from jaxcomp.cli.command import run  # takes half a second, in which signals come too

        return run(arguments)
