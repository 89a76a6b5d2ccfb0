"""Tables of results: what stands in a row, and in which order."""

from experiments.report.penalties_table import penalties_table
from experiments.report.plots.results import penalties_figure, results_figure
from experiments.report.results_table import results_table


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


def penalty(name, *files, diverged=False):
    """A row of a record; each file by its bytes and its test error."""

    def numbers(value):
        return {"mean": value, "low": value - 0.1, "high": value + 0.1}

    kinds = {
        kind: {"test_error": numbers(error), "bytes": numbers(size)}
        for kind, (size, error) in zip(("two levels", "ternary"), files, strict=True)
    }
    networks = {} if diverged else {"float": {"test_error": numbers(1.5)}, **kinds}
    return {"penalty": name, "weight": 0.001, "learning_rate": 0.008, "networks": networks}


PENALTIES = {
    "penalties": [
        penalty("worse", (3_000, 2.5), (2_500, 3.5)),
        penalty("better", (3_000, 2.0), (2_000, 3.0)),
        penalty("far off", (3_100, 30.0), (2_100, 40.0)),
        penalty("broken", (0, 0), (0, 0), diverged=True),
    ]
}


def test_penalties_stand_by_their_first_error_with_the_best_files_in_bold():
    head, _, *rows = penalties_table(PENALTIES).splitlines()
    assert head.split(" | ")[2:] == ["float, %", "two levels, %", "bytes", "ternary, %", "bytes |"]
    assert rows[0] == (
        "| better | 0.001, 0.008 | 1.50 (1.40 to 1.60) | **2.00 (1.90 to 2.10)** | **3,000** "
        "| **3.00 (2.90 to 3.10)** | **2,000** |"
    )
    assert [row.split(" | ")[0] for row in rows[1:]] == ["| worse", "| far off", "| broken"]
    assert "**" not in "".join(rows[1:])
    assert rows[3].count("diverged") == 5


def test_a_figure_of_penalties_leaves_out_what_is_far_off_and_says_so():
    panels = penalties_figure(PENALTIES).axes
    assert [axes.get_title() for axes in panels[:2]] == [
        "two levels (1 far off not shown)",
        "ternary (1 far off not shown)",
    ]
    points = [line.lines[0].get_xydata().tolist()[0] for line in panels[0].containers]
    assert points == [[3_000, 2.0], [3_000, 2.5]]
    assert [text.get_text() for text in panels[0].texts] == ["1", "2"]
    names = [text.get_text() for text in panels[2].texts]
    assert names == ["1", "better", "2", "worse", "3", "far off"]


def test_a_figure_of_results_shows_what_has_bytes():
    (axes,) = results_figure({"a.json": record("a", 200, [0.97])}, PUBLISHED).axes
    shown = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert shown["stores"] == [[100 / 124, 1.9]]
    ((x, y),) = shown["jaxcomp, a"]
    assert (round(100 / x), round(y, 6)) == (200, 3)
    assert "counts" not in shown
