"""The commit that numbers were made with."""

import subprocess
from pathlib import Path


def commit(checkout: Path = Path(__file__).parents[2]) -> str | None:
    """The commit of a checkout, by default the one that this code is of.

    Returns:
      Its hash, with `+` behind it if files were changed since; None for a folder that is not the
      top of a checkout, or without git.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != checkout.resolve():
            return None
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
