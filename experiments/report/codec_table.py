"""The table of the codec, from the record of its benchmark."""

from experiments.report import markdown
from experiments.report.records import record_of


def codec() -> str:
    """Return it: bytes and speed, a row for each set of weights."""
    rows = []
    for name, one in record_of("codec")["sets"].items():
        whole = "file_bytes" if one["nncodec_file_bytes"] else "payload_bytes"
        theirs, ours = one[f"nncodec_{whole}"], one[whole]
        large = one["weights"] > 1e7  # of small sets the memory is that of the program
        rows.append(
            (
                name,
                f"{one['weights']:,}",
                f"{one['entropy_bytes']:,}",
                f"{theirs:,}",
                f"{ours:,}",
                f"{100 * (ours / theirs - 1):+.1f} %",
                "{:.1f}, {:.1f}".format(
                    *(one[f"{what}_million_per_second"] for what in ("encode", "decode"))
                ),
                f"{one['encode_memory']:.1f}, {one['decode_memory']:.1f}" if large else "-",
            )
        )
    headings = ("set", "weights", "entropy, bytes", "NNCodec", "`.jxc`", "")
    return markdown.table((*headings, "write, read, million weights/s", "memory"), rows)
