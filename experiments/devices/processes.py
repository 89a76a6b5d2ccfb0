"""Several processes that make one run together, each with its own devices (`jax.distributed`).

All of them compute the same; the first one alone shows and writes what comes of it.
"""

import jax


class JoinError(RuntimeError):
    """A process cannot take part in a run of several."""


def join(
    cluster: bool = False,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Meet the other processes, if it is said that there are any; before all else of JAX.

    Args:
      cluster: whether SLURM, Kubernetes or a TPU pod has started them, which JAX recognizes.
      coordinator: of processes started by hand, HOST:PORT of the first one.
      processes: how many there are.
      process: which of them this is, from 0.

    Raises:
      JoinError: if this or the cluster does not say who is there, or the others do not come.
    """
    by_hand = coordinator, processes, process
    if by_hand == (None, None, None):
        if cluster:
            _join_cluster()
        return
    if None in by_hand or cluster:
        raise JoinError(
            "processes started by hand need --coordinator, --processes and --process, all three; "
            "those of a cluster --cluster alone"
        )
    if not 0 <= process < processes:
        raise JoinError(f"--process={process}: they are counted from 0 to {processes - 1}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise JoinError(f"--coordinator={coordinator}: give HOST:PORT")
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except RuntimeError as error:
        raise JoinError(
            f"--coordinator={coordinator}: the processes have not met: {error}"
        ) from error


def _join_cluster() -> None:
    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise JoinError(
            f"--cluster: the environment does not say who the other processes are ({error}): start "
            "them by the cluster, or give --coordinator, --processes and --process"
        ) from error
