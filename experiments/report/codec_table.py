"""The tables of the codec, from the record of its benchmark."""

from typing import Any

from experiments.report import markdown
from experiments.report.records import record_of

_NETWORKS = {
    "lenet_300_100": "LeNet-300-100",
    "lenet_5_caffe": "LeNet-5-Caffe",
    "digits": "perceptron, digits",
    "transformer": "transformer",
    "g2p_en": "g2p-en",
    "silero_vad": "silero-vad",
}


def fixed() -> str:
    """Return the fixed sets: bytes, speed and memory."""
    rows = []
    for one in _rows("fixed"):
        whole = "file_bytes" if one["nncodec_file_bytes"] else "payload_bytes"
        theirs, ours = one[f"nncodec_{whole}"], one[whole]
        large = one["weights"] > 1e7  # of small sets the memory is that of the program
        speeds = ("; ".join(_speeds(one, what)) for what in ("encode", "decode"))
        rows.append(
            (
                one["set"],
                f"{one['weights']:,}",
                f"{one['entropy_bytes']:,}",
                f"{theirs:,}",
                f"{ours:,}",
                _change(ours, theirs),
                *speeds,
                f"{one['encode_memory']:.1f}, {one['decode_memory']:.1f}" if large else "-",
            )
        )
    headings = ("set", "weights", "entropy, bytes", "NNCodec", "`.jxc`", "")
    return markdown.table((*headings, "write, M/s", "read, M/s", "memory"), rows)


def trained() -> str:
    """Return the trained sets against NNCodec."""
    rows = [
        (
            _NETWORKS[one["network"]],
            "in, out" if one["layout"] == "flax" else "out, in",
            f"{one['nonzeros']:,} of {one['weights']:,}",
            str(one["levels"]),
            f"{one['nncodec_file_bytes']:,}",
            f"{one['file_bytes']:,}",
            _change(one["file_bytes"], one["nncodec_file_bytes"]),
        )
        for one in _rows("trained")
    ]
    headings = ("network", "axes", "not zero", "levels", "NNCodec, bytes", "`.jxc`", "")
    return markdown.table(headings, rows)


def dense() -> str:
    """Return the dense networks against entropy and NNCodec."""
    rows = [
        (
            _NETWORKS[one["network"]],
            str(one["bits"]),
            one["steps"],
            f"{one['entropy_bytes']:,}",
            f"{one['payload_bytes']:,}",
            _change(one["payload_bytes"], one["entropy_bytes"]),
            f"{one['nncodec_file_bytes']:,}",
            f"{one['file_bytes']:,}",
            _change(one["file_bytes"], one["nncodec_file_bytes"]),
        )
        for one in _rows("dense")
    ]
    headings = ("network", "bits", "a step for each", "entropy of levels", "levels", "")
    return markdown.table((*headings, "NNCodec, bytes", "`.jxc`", ""), rows)


def lossless() -> str:
    """Return the networks as they are against other programs."""
    rows = []
    for one in _rows("lossless"):
        others = [one[name] for name in ("zstd19", "zipnn", "bigsmall")]
        rows.append(
            (
                _NETWORKS[one["network"]],
                one["type"],
                *(f"{size:,}" for size in (one["bytes"], *others, one["file_bytes"])),
                _change(one["file_bytes"], min(others)),
            )
        )
    headings = ("network", "type", "bytes", "zstd-19", "ZipNN", "BigSmall", "`.jxc`", "")
    return markdown.table(headings, rows)


def sharded() -> str:
    """Return the time and the memory of a checkpoint in shards."""
    rows = [
        (
            one["what"],
            f"{one['seconds']:.1f}",
            f"{one['bytes_read'] / 1e6:,.0f}",
            f"{one['peak_over_largest_array']:.2f}",
        )
        for one in record_of("sharded")["rows"]
        if "seconds" in one
    ]
    return markdown.table(("", "seconds", "MB read", "memory"), rows)


def _rows(group: str) -> list[dict[str, Any]]:
    return record_of("codec")[group]["rows"]


def _change(ours: float, theirs: float) -> str:
    return f"{100 * (ours / theirs - 1):+.1f} %"


def _speeds(row: dict[str, Any], what: str) -> list[str]:
    return [f"{speed:.1f}" for speed in row[f"{what}_million_per_second"]]
