"""Results that others made: a row for each cell and seed, or for each test example."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tlbench.compare.changes import compare
from tlbench.compare.of_csv import Columns, side_of_csv
from tlbench.errors import UserError


def write(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def of_seeds(path: Path, accuracies: Mapping[str, Iterable[float]], **others: object) -> Path:
    return write(
        path,
        (
            {"backbone": backbone, "strategy": "full", "seed": seed, "accuracy": value, **others}
            for backbone, values in accuracies.items()
            for seed, value in enumerate(values)
        ),
    )


def of_examples(path: Path, shift: float, seeds: int = 3, order: int = 1) -> Path:
    """A row for each of 400 examples, in any order; `shift` makes the model better."""
    hard = np.random.default_rng(0).random(400)
    noise = np.random.default_rng(1).normal(0, 0.05, (seeds, 400))
    return write(
        path,
        (
            {
                "model": "net",
                "run": seed,
                "file": f"{example}.png",
                "correct": hard[example] + noise[seed, example] < 0.7 + shift,
            }
            for seed in range(seeds)
            for example in list(range(400))[::order]
        ),
    )


THEIRS = Columns(cell=("model",), metric="correct", seed="run", example="file")


def test_rows_of_seeds_are_compared_as_independent_of_images(tmp_path: Path) -> None:
    base = of_seeds(tmp_path / "base.csv", {"a": (0.80, 0.81, 0.805), "b": (0.6, 0.7, 0.65)})
    head = of_seeds(tmp_path / "head.csv", {"a": (0.90, 0.91, 0.905), "b": (0.61, 0.7, 0.66)})
    found = compare(side_of_csv(base, Columns()), side_of_csv(head, Columns()))
    assert {pair.name: pair.primary.verdict for pair in found.pairs if pair.primary} == {
        "a × full": "better",
        "b × full": "tie",
    }


def test_rows_of_examples_are_paired_by_example_and_seed(tmp_path: Path) -> None:
    base, head = of_examples(tmp_path / "base.csv", 0.0), of_examples(tmp_path / "head.csv", 0.08, order=-1)
    (pair,) = compare(side_of_csv(base, THEIRS), side_of_csv(head, THEIRS)).pairs
    assert pair.primary is not None and pair.primary.verdict == "better"
    again = compare(side_of_csv(base, THEIRS), side_of_csv(of_examples(tmp_path / "again.csv", 0.0, order=-1), THEIRS))
    assert again.pairs[0].primary is not None and again.pairs[0].primary.p_value == 1.0


def test_costs_of_tlbenchs_names_are_compared_too(tmp_path: Path) -> None:
    base, head = (
        of_seeds(tmp_path / f"{name}.csv", {"a": (0.8, 0.81, 0.8)}, train_seconds=seconds, trainable_parameters=7)
        for name, seconds in (("base", 5.0), ("head", 6.0))
    )
    (pair,) = compare(side_of_csv(base, Columns()), side_of_csv(head, Columns())).pairs
    assert pair.changes["train_seconds"].relative == pytest.approx(0.2)
    assert pair.changes["trainable_parameters"].verdict == "tie"


def test_a_lower_metric_can_be_better(tmp_path: Path) -> None:
    base = of_seeds(tmp_path / "base.csv", {"a": (8.0, 8.1, 8.05)})
    head = of_seeds(tmp_path / "head.csv", {"a": (4.0, 4.1, 4.05)})
    columns = Columns(better="lower")
    (pair,) = compare(side_of_csv(base, columns), side_of_csv(head, columns)).pairs
    assert pair.primary is not None and pair.primary.verdict == "better"


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("model,acc\na,1\n", Columns(), "has no column 'backbone'; it has model, acc. --cell-columns names others"),
        ("backbone,strategy,acc\na,b,1\n", Columns(), "has no column 'accuracy'.*--metric-column"),
        ("backbone,strategy,accuracy\n", Columns(), "has no rows"),
        ("", Columns(), "has no column 'backbone'"),
        ("backbone,strategy,seed,accuracy\na,b,x,1\n", Columns(), "line 2: seed 'x' is no whole number"),
        ("backbone,strategy,seed,accuracy\na,b,0,high\n", Columns(), "line 2: accuracy 'high' is no number"),
        ("backbone,strategy,seed,accuracy\na,b,0,inf\n", Columns(), "line 2: accuracy 'inf' is not finite"),
        ("backbone,strategy,seed,accuracy\na,b,0,1\na,b,0,1\n", Columns(), "line 3: cell a × b is there twice"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_by_its_line(
    tmp_path: Path, text: str, columns: Columns, said: str
) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        side_of_csv(file, columns)


def test_seeds_with_other_examples_are_refused(tmp_path: Path) -> None:
    rows = [{"model": "a", "run": seed, "file": file, "correct": 1} for seed, file in ((0, "x"), (0, "y"), (1, "x"))]
    with pytest.raises(UserError, match="seed 1 of a has other examples than the first seed has"):
        side_of_csv(write(tmp_path / "a.csv", rows), THEIRS)


def test_other_examples_on_the_other_side_are_refused(tmp_path: Path) -> None:
    base, head = (
        write(
            tmp_path / f"{name}.csv", [{"model": "a", "run": 0, "file": f"{name}{n}", "correct": 1} for n in range(5)]
        )
        for name in ("base", "head")
    )
    with pytest.raises(UserError, match="examples is"):
        compare(side_of_csv(base, THEIRS), side_of_csv(head, THEIRS))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read: No such file"):
        side_of_csv(tmp_path / "none.csv", Columns())
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is no CSV in UTF-8"):
        side_of_csv(tmp_path / "bytes.csv", Columns())


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    file.write_bytes(b"\xef\xbb\xbf" + b"backbone,strategy,seed,accuracy\na,b,0,0.5\n")
    assert side_of_csv(file, Columns()).cells[0].name == "a × b"
