"""Other programs in environments of their own, since what they want does not go with JAXComp.

python -m experiments.benchmarks.peer

creates all of them, in the cache folder: NNCodec, the reference software of ISO/IEC 15938-17, which
takes a C++ compiler and some minutes, and the codecs of floating-point numbers ZipNN and BigSmall.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from jaxcomp.data.cache import cache_folder


class Peer(NamedTuple):
    """Says what a program is made of."""

    name: str
    packages: tuple[str, ...]  # with all that they ask for
    alone: tuple[str, ...]  # without

    def python(self) -> Path:
        """Return the Python of its environment.

        Raises:
          FileNotFoundError: if it has not been created; the message has the command.
        """
        mark = self._mark()
        if not (mark.is_file() and mark.read_text() == self._made_of()):
            raise FileNotFoundError(
                f"there is no environment with {self._made_of()} in {self._folder()}: "
                "python -m experiments.benchmarks.peer creates it"
            )
        return self._python()

    def create(self) -> Path:
        """Create its environment unless it is there, and return its Python.

        Raises:
          subprocess.CalledProcessError: if it cannot be created.
        """
        try:
            return self.python()
        except FileNotFoundError:
            shutil.rmtree(self._folder(), ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", self._folder()], check=True)
        pip = [self._python(), "-m", "pip", "install"]
        subprocess.run([*pip, *self.packages], check=True)
        subprocess.run([*pip, "--no-deps", *self.alone], check=True)
        self._mark().write_text(self._made_of())
        return self._python()

    def _made_of(self) -> str:
        return " ".join((*self.alone, *self.packages))

    def _folder(self) -> Path:
        return cache_folder() / self.name

    def _python(self) -> Path:
        return self._folder() / "bin" / "python"

    def _mark(self) -> Path:
        return self._folder() / "requirements.txt"  # written last


NNCODEC = Peer("nncodec", packages=("numpy<2",), alone=("NNCodec==2.1.3",))
# PyTorch is some gigabytes, and neither calls it to code bytes.
LOSSLESS = Peer(
    "lossless",
    packages=(
        "numpy<3",
        "numba",
        "constriction<0.6",
        "zstandard",
        "blosc2",
        "safetensors<1",
        "tqdm",
    ),
    alone=("zipnn==0.5.4", "bigsmall==4.0.0"),
)


def main() -> None:
    """The command."""
    for peer in (NNCODEC, LOSSLESS):
        print(peer.create())


if __name__ == "__main__":
    main()
