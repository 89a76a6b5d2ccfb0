"""Tables of results: what stands in a row, and in which order."""

from jaxcomp.analysis.tables import results_table


def record(name, smaller, accuracies):
    def numbers(accuracy):
        return {
            "test_accuracy_read_back": accuracy,
            "nonzero_weights": 4000,
            "bytes_jxc": 1_066_440 / smaller,
            "ratio_jxc": smaller,
        }

    mean = sum(accuracies) / len(accuracies)
    return {
        "config": {"name": name},
        "weights": 266_200,
        "seeds": dict.fromkeys(map(str, range(len(accuracies)))),
        "mean": numbers(mean),
        "min": numbers(min(accuracies)),
        "max": numbers(max(accuracies)),
    }


PUBLISHED = [
    {"method": "counts", "test_error": 2.0, "ratio_parameters": 99, "source": "A"},
    {"method": "stores", "test_error": 1.9, "ratio_bytes": 124, "bytes": 8560, "source": "B"},
]


def test_rows_are_the_smallest_first_and_those_that_store_nothing_last():
    records = {"b.json": record("b", 50, [0.98]), "a.json": record("a", 300, [0.97])}
    rows = results_table(records, PUBLISHED).splitlines()[2:]
    firsts = [row.split(" | ")[0].strip("| *") for row in rows]
    assert firsts == ["jaxcomp, a", "stores", "jaxcomp, b", "counts"]


def test_a_row_of_a_record():
    (row,) = results_table({"a.json": record("a", 300, [0.98, 0.97, 0.99])}).splitlines()[2:]
    assert row == (
        "| **jaxcomp, a** | **2.00** (1.00 to 3.00, 3 seeds) | 4,000 | 67 | 3,555 | **300** "
        "| [`a.json`](experiments/results/a.json) |"
    )


def test_rows_of_what_is_published():
    rows = results_table({}, PUBLISHED).splitlines()
    assert rows[2] == "| stores | 1.90 | - | - | 8,560 | 124 | B |"
    assert rows[3] == "| counts | 2.00 | - | 99 | - | - | A |"
    assert len({row.count("|") for row in rows}) == 1
