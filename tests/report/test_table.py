"""The table in a terminal and in a log: every value of every row, whatever the width."""

from __future__ import annotations

import io
from collections import Counter
from typing import Literal

import pytest
from builders import (
    FALLBACK,
    SCRATCH,
    columns,
    make_cell,
    make_failure,
    make_metrics,
    make_phase,
    make_record,
    no_examples,
    report_of,
    table_of,
)
from rich.console import Console

from tlbench.report import text
from tlbench.report.footer import footer
from tlbench.report.rows import rows
from tlbench.report.table import print_tables
from tlbench.results.costs import BatchNormRecord, FeaturesRecord
from tlbench.results.records import DataRecord, Record

RECORDS = [
    *(make_record(make_cell(strategy="builtin/full"), seed, 0.9 + seed / 20, train_seconds=4321.0) for seed in (0, 1)),
    make_record(
        make_cell("timm/vit_tiny_patch16_224.augreg_in21k", weights=FALLBACK),
        accuracy=0.5123,
        inference_images_per_second=43210.0,
        images_per_second=98765.0,
        peak_memory_bytes=9_999 * 2**20,
        trainable_parameters=123_400_000,
    ),
    make_record(make_cell("packaged/small_cnn", "builtin/scratch", weights=SCRATCH), passes=None),
    make_failure(make_cell("torchvision/vgg11"), status="out-of-memory", message="4 GiB are not enough"),
]


def printed(records: list[Record], width: int, terminal: bool = False) -> str:
    file = io.StringIO()
    colours: Literal["auto", "truecolor"] = "truecolor" if terminal else "auto"
    print_tables(report_of(records), Console(file=file, width=width, force_terminal=terminal, color_system=colours))
    return file.getvalue()


def body(output: str) -> str:
    """What stands between the rule under the headings and the footer."""
    return output.partition("Protocol:")[0].rpartition("─")[2]


@pytest.mark.parametrize("width", [80, 100, 240])
def test_no_character_of_any_value_is_lost(width: int) -> None:
    table = table_of(RECORDS)
    expected = Counter("".join("".join(line.values()) for line in text.lines(table)).replace(" ", ""))
    expected["*"] += len(table.best)
    assert Counter("".join(body(printed(RECORDS, width)).split())) == expected


def test_a_strategy_that_learned_nothing_is_named_with_the_remedy() -> None:
    cell = make_cell("torchvision/vgg16", "builtin/full")
    learned, stuck = make_record(cell, 0), make_record(cell, 1)
    metrics = make_metrics(0.5, at_chance=True)
    output = printed([learned, stuck.model_copy(update={"metrics": metrics})], 240)
    assert "vgg16 × full: 1 of 2 seeds are no better than chance; a lower --lr" in output
    assert "chance" not in printed([learned], 240)


def test_a_star_is_explained_where_there_is_one() -> None:
    explained = "*: the best of its column among comparable rows, or not told apart from it"
    assert explained in printed(RECORDS, 240)
    assert explained not in printed(RECORDS[:1], 240)


@pytest.mark.parametrize("width", [80, 240])
def test_figures_are_not_broken_over_lines(width: int) -> None:
    output = body(printed(RECORDS, width))
    for figure in ("92.5% ±43.6*", "72m01s", "43210", "98765", "9999MiB", "123.4M", "51.2%", "–"):
        assert figure.replace("72m01s", "1h12m") in output


@pytest.mark.parametrize("width", [80, 240])
def test_no_line_of_the_table_is_wider_than_the_terminal(width: int) -> None:
    assert (
        max(len(line) for line in printed(RECORDS, width, terminal=False).split("Protocol:")[0].splitlines()) <= width
    )


def test_names_stand_whole_where_there_is_room() -> None:
    output = printed(RECORDS, 240)
    for row in rows(RECORDS, no_examples, columns):
        assert all(value in output for value in text.cells(row).values())


def test_footer_says_the_protocol_the_rates_the_random_rows_and_the_reasons() -> None:
    output = printed(RECORDS, 80)
    assert "Protocol: 2 epochs, batch 4, 8 px" in output
    assert "Learning rates: 0.003 (full, freeze, scratch)." in output
    assert "RANDOM: the pretrained weights of vit_tiny_patch16_224.augreg_in21k are not available here" in output
    assert "vgg11 × freeze, seed 0: out-of-memory: 4 GiB are not enough" in output
    assert "farther end of its 95 % interval, which includes the spread over seeds and the test sample" in output


def test_features_are_in_the_time_of_training_and_the_footer_says_so() -> None:
    phase = make_phase(features=FeaturesRecord(used=True))
    cells = make_cell(), make_cell(strategy="builtin/full")
    output = printed([make_record(cells[0], phases=[phase], features_seconds=3.0), make_record(cells[1])], 240)
    assert "Train includes feature extraction" in output
    assert "10.0s" in output  # 7 s of training, and the features


def test_a_star_is_not_explained_where_only_figures_that_are_not_shown_differ() -> None:
    records = [
        make_record(make_cell(f"a/{name}")).model_copy(
            update={"metrics": make_metrics(0.9, test={"accuracy": 0.9, "nll": nll})}
        )
        for name, nll in (("x", 0.5), ("y", 0.7))
    ]
    assert "*" not in printed(records, 240)


def test_the_heading_says_what_an_accuracy_was_measured_on() -> None:
    cell, other = make_cell(), make_cell(strategy="builtin/full")
    assert "packaged/digits (20 test images, 1 seed)" in printed([make_record(cell)], 240)
    three = [make_record(cell, 0), make_record(cell, 1), make_record(cell, 2), make_record(other)]
    assert "packaged/digits (20 test images, 1 to 3 seeds)" in printed(three, 240)


def detailed(*records: Record) -> str:
    file = io.StringIO()
    print_tables(report_of(records), Console(file=file, width=240), detail=True)
    return file.getvalue()


def test_steps_are_told_phase_by_phase_on_request() -> None:
    phases = [make_phase(features=FeaturesRecord(used=True)), make_phase(phase=1, step_ms=None)]
    record = make_record(make_cell(), phases=phases)
    assert "resnet18 × freeze, phase 0: 33 steps, 20.0ms (19.0ms to 24.0ms) on features" in detailed(record)
    assert "phase 1" not in detailed(record)
    assert "Steps:" not in printed([record], 240)
    assert "phase 0: 1 step, " in detailed(make_record(make_cell(), phases=[make_phase(steps=1)]))


def test_detail_says_what_each_row_did_that_the_table_leaves_out() -> None:
    frozen = BatchNormRecord(statistics="frozen", moving=0, layers=20, reason="80 steps are too few")
    moving = BatchNormRecord(statistics="train", moving=20, layers=20, reason="enough steps")
    phases = [
        make_phase(batchnorm=moving, features=FeaturesRecord(used=True)),
        make_phase(phase=1, batchnorm=frozen),
    ]
    tuned = make_cell(strategy="builtin/full").model_copy(update={"learning_rate": None, "tuned_rates": (1e-3, 3e-3)})
    chosen = make_record(tuned).model_copy(update={"learning_rate": 3e-3})
    output = detailed(make_record(make_cell(), phases=phases), chosen)
    assert "BatchNorm statistics:\n  resnet18 × freeze: train, then frozen\n" in output
    assert "Features of a frozen part, computed once and trained on:\n  resnet18 × freeze\n" in output
    assert "resnet18 × full: 0.003 (of 0.001, 0.003)" in output
    assert "Tuned: each seed chose on val among 0.001, 0.003; costs include all candidates." in output
    short = printed([make_record(make_cell(), phases=phases), chosen], 240)
    assert "BatchNorm statistics:" not in short and "computed once" not in short


def test_equal_names_of_two_plugins_are_qualified() -> None:
    records = [
        make_record(make_cell("torchvision/resnet18", "builtin/full")),
        make_record(make_cell("timm/resnet18", "mine/full:rate=2")),
        make_record(make_cell("timm/vit", "builtin/freeze")),
    ]
    names = [(row.backbone, row.strategy) for row in rows(records, no_examples, columns)]
    assert names == [
        ("torchvision/resnet18", "builtin/full"),
        ("timm/resnet18", "mine/full:rate=2"),
        ("vit", "freeze"),
    ]
    assert "torchvision/resnet18" in printed(records, 240) and "timm/vit" not in printed(records, 240)


def test_a_rate_that_depends_on_the_backbone_is_said_with_it() -> None:
    cells = (make_cell("timm/vit", "builtin/full"), make_cell("timm/resnet18", "builtin/full"), make_cell())
    rates = (5e-5, 3e-4, 1e-2)
    records = [
        make_record(cell.model_copy(update={"learning_rate": rate})) for cell, rate in zip(cells, rates, strict=True)
    ]
    assert "Learning rates: 5e-05 (vit × full), 0.0003 (timm/resnet18 × full), 0.01 (freeze)." in printed(records, 240)


def test_large_numbers_have_their_thousands_parted() -> None:
    data = DataRecord(train_images=2000, val_images=10, test_images=10_000, duplicates_train_test=0)
    record = make_record(make_cell()).model_copy(update={"data": data})
    assert "packaged/digits (10,000 test images, 1 seed)" in printed([record], 240)


def test_scratch_and_fallback_are_told_apart() -> None:
    lines = body(printed(RECORDS, 240)).splitlines()
    assert "RANDOM" in next(line for line in lines if "vit_tiny" in line)
    assert " random " in next(line for line in lines if "small_cnn" in line)


def test_where_a_table_is_too_wide_what_is_equal_in_all_rows_is_said_once() -> None:
    records = [make_record(make_cell(strategy=f"builtin/{each}")) for each in ("gradual-unfreeze", "layer-decay")]
    output = printed(records, 80)
    assert "All rows: weights pretrained, passes 1, status ok" in output
    assert "gradual-unfreeze " in output
    assert output.count("pretrained") == 1
    assert "All rows" not in printed(records, 240)


def test_only_a_terminal_gets_colours() -> None:
    assert "\x1b" not in printed(RECORDS, 80)
    assert "\x1b" in printed(RECORDS, 80, terminal=True)


def test_a_table_for_each_dataset() -> None:
    records = [make_record(make_cell(dataset=f"packaged/{name}")) for name in ("digits", "flowers")]
    output = printed(records, 120)
    assert output.index("packaged/digits") < output.index("Backbone") < output.index("packaged/flowers")
    assert output.count("Protocol:") == 2


def test_no_markup_is_read_out_of_names() -> None:
    output = printed([make_record(make_cell(dataset="folder:/data/[red]x[/red]"))], 240)
    assert "folder:/data/[red]x[/red]" in output


def test_what_limits_the_figures_is_said_under_the_table() -> None:
    data = DataRecord(
        names=["ant", "bee", "eel"],
        train_images=75,
        val_images=8,
        test_images=33,
        duplicates_train_test=9,
        duplicates_example=("a.png", "b.png"),
        unreadable_images=1,
        lacking=["val has no image of 1 of 3 classes (eel): choices on val are made without them"],
    )
    busy = {"load_average": 7.0, "usable_cores": 2}
    record = make_record(make_cell()).model_copy(update={"data": data, "environment": busy})
    table = table_of([record])
    said = footer(table)
    assert any(
        line.startswith("Warning: 9 of 33 test images are in train, too (for example a.png and") for line in said
    )
    assert "Left out as unreadable (--skip-unreadable): 1 image." in said
    assert "Val has no image of 1 of 3 classes (eel): choices on val are made without them." in said
    assert any(line.startswith("Warning: the machine was busy with other work (load 3.5 per core)") for line in said)
    idle = record.model_copy(update={"environment": busy | {"load_average": 2.2}})
    assert not any("busy" in line for line in footer(table_of([idle])))


def test_random_weights_at_chance_want_weights_and_no_other_rate() -> None:
    fallback = make_cell(weights=FALLBACK)
    metrics = make_metrics(0.1, at_chance=True)
    record = make_record(fallback).model_copy(update={"metrics": metrics})
    table = table_of([record])
    (said,) = [line for line in footer(table) if "no better than chance" in line]
    assert "from random weights; pretrained ones learn more" in said
    assert "--lr" not in said
