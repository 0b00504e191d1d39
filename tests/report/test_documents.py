"""A run as JSON, Markdown and CSV, read again by a parser."""

from __future__ import annotations

import csv
import io
import json
import re

from builders import (
    FALLBACK,
    columns,
    make_cell,
    make_failure,
    make_plan,
    make_record,
    no_examples,
    report_of,
    table_of,
)

from tlbench.report import text
from tlbench.report.documents import to_csv, to_json, to_markdown
from tlbench.report.rows import rows
from tlbench.results.records import Record

GOOD = make_record(make_cell(), accuracy=1 / 3, passes=None, images_per_second=None)
BETTER = make_record(make_cell("timm/vit_tiny:pool=a|b", weights=FALLBACK), accuracy=0.875)
BAD = make_failure(make_cell("a/bad"), message='no "head", it says\nso', step=4, phase=0)
RECORDS = [GOOD, BETTER, BAD]


def markdown_rows(document: str) -> list[list[str]]:
    lines = [line for line in document.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def csv_rows(records: list[Record]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(records, columns)), strict=True))


def test_json_holds_the_records_as_they_are() -> None:
    document = json.loads(to_json(make_plan(GOOD.trial.cell, name="mine"), RECORDS))
    assert document["run"] == "mine"
    assert [Record.model_validate(each) for each in document["records"]] == RECORDS
    assert document["records"][0]["cost"]["passes"] is None


def test_markdown_is_a_table_of_all_values() -> None:
    heading, rule, *lines = markdown_rows(to_markdown(report_of(RECORDS)))
    assert heading == [
        "Backbone", "Strategy", "Weights", "Accuracy", "Passes", "Train", "Img/s", "Memory", "Infer 1", "Infer",
        "Params", "Status",
    ]  # fmt: skip
    assert set(rule) == {"---"}
    cells = [[cell.replace("\\|", "|") for cell in line] for line in lines]
    assert cells == [list(text.cells(row).values()) for row in rows(RECORDS, no_examples, columns)]


def test_markdown_has_the_best_bold() -> None:
    records = [make_record(make_cell(f"a/{name}"), accuracy=value) for name, value in (("x", 0.25), ("y", 0.75))]
    *_, first, second = markdown_rows(to_markdown(report_of(records)))
    accuracy = list(text.headings(table_of(records))).index("accuracy")
    assert (first[accuracy], second[accuracy]) == ("25.0% ±25.0", "**75.0% ±25.0**")
    assert sum(cell.startswith("**") for cell in first + second) == 1


def test_markdown_has_a_table_and_a_footer_for_each_dataset() -> None:
    document = to_markdown(
        report_of([make_record(make_cell(dataset=f"packaged/{name}")) for name in ("digits", "flowers")])
    )
    assert re.findall(r"^\*\*(packaged/\w+) \(20 test images, 1 seed\)\*\*$", document, re.MULTILINE) == [
        "packaged/digits",
        "packaged/flowers",
    ]
    assert document.count("Protocol: ") == 2


def test_csv_has_a_line_for_each_trial_and_its_figures_in_full() -> None:
    good, better, bad = csv_rows(RECORDS)
    assert [each["trial"] for each in (good, better, bad)] == [record.trial.id for record in RECORDS]
    assert float(good["accuracy"]) == 1 / 3
    assert (better["weights"], better["weights_reason"]) == ("random", "unavailable")
    assert (float(better["inference_images_per_second"]), float(better["passes"])) == (900.0, 1.0)
    assert not {"phases", "inference", "memory"} & good.keys()
    assert (bad["status"], bad["error"]) == ("failed", 'no "head", it says\nso')


def test_csv_has_an_empty_field_for_null_and_never_a_zero() -> None:
    good, _, bad = csv_rows(RECORDS)
    assert {good[name] for name in ("images_per_second", "passes", "energy_joules", "error")} == {""}
    assert {bad[name] for name in ("accuracy", "train_seconds", "test_images", "peak_memory_bytes")} == {""}
    assert good["duplicates_train_test"] == "0"


def test_csv_has_the_same_columns_whichever_record_comes_first() -> None:
    assert csv_rows(RECORDS)[0].keys() == csv_rows(RECORDS[::-1])[0].keys()
