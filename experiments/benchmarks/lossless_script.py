"""Code a .safetensors file with ZipNN and BigSmall. Run by a Python that has both, and no JAXComp.

python lossless_script.py FILE.safetensors FOLDER

prints the bytes as JSON. ZipNN codes bytes: those of each tensor or of all of a type together,
whichever is smaller. What they decode to is compared.
"""

import json
import struct
import sys
from pathlib import Path

_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def main() -> None:
    """The command."""
    from stand_ins import stand_in  # beside this file

    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    tensors = _tensors(source)
    stand_in(["huggingface_hub"])
    bigsmall = _bigsmall(source, folder, tensors)
    stand_in(["torch"])  # BigSmall would read files with it
    print(json.dumps({"zipnn": _zipnn(tensors), "bigsmall": bigsmall}))


def _tensors(path: Path) -> dict[str, tuple[str, bytes]]:
    """Return the type and the bytes of each tensor."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    return {
        name: (_NAMES[one["dtype"]], body[slice(*one["data_offsets"])])
        for name, one in header.items()
    }


def _zipnn(tensors: dict[str, tuple[str, bytes]]) -> int:
    from zipnn import ZipNN

    def size(dtype: str, data: bytes) -> int:
        coded = ZipNN(bytearray_dtype=dtype).compress(bytearray(data))  # it writes into its input
        if bytes(ZipNN(bytearray_dtype=dtype).decompress(coded)) != data:
            raise ValueError("ZipNN decoded other bytes")
        return min(len(coded), len(data))

    dtypes = sorted({dtype for dtype, _ in tensors.values()})
    together = [b"".join(data for one, data in tensors.values() if one == dt) for dt in dtypes]
    return min(
        sum(size(*one) for one in tensors.values()),
        sum(size(dtype, data) for dtype, data in zip(dtypes, together, strict=True)),
    )


def _bigsmall(source: Path, folder: Path, tensors: dict[str, tuple[str, bytes]]) -> int:
    import bigsmall

    sizes = []
    for mode in ("balanced", "max"):
        target = folder / f"{mode}.bs"
        bigsmall.compress(str(source), str(target), mode=mode)
        decoded = bigsmall.decompress(str(target))
        if any(decoded[name].tobytes() != data for name, (_, data) in tensors.items()):
            raise ValueError("BigSmall decoded other bytes")
        sizes.append(target.stat().st_size)
    return min(sizes)


if __name__ == "__main__":  # BigSmall starts processes that import this
    main()
