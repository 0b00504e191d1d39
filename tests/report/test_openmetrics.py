"""OpenMetrics text, read by Prometheus' own parser, and split as GitLab splits it."""

from __future__ import annotations

import shlex

from builders import make_cell, make_failure, make_protocol, make_record, report_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tlbench.report.openmetrics import to_openmetrics

HOSTILE = "a\\b\"c\nd{e}=,f'\x1b"


def read(document: str) -> dict[tuple[str, str], float]:
    """The value of each family and backbone."""
    return {
        (sample.name, sample.labels["backbone"]): sample.value
        for family in text_string_to_metric_families(document + "\n")
        for sample in family.samples
    }


def test_each_cell_and_figure_is_a_line() -> None:
    records = [
        *(make_record(make_cell("a/x"), seed, 0.8 + seed / 10, train_seconds=float(seed)) for seed in range(3)),
        make_record(make_cell("a/y"), peak_memory_bytes=2**20),
        make_failure(make_cell("a/broken")),
    ]
    document = to_openmetrics(report_of(records))
    found = read(document)
    assert found["tlbench_accuracy", "a/x"] == 0.9
    assert found["tlbench_train_with_features_seconds", "a/x"] == 1.0
    assert found["tlbench_peak_memory_bytes", "a/y"] == 2**20
    assert {backbone for _, backbone in found} == {"a/x", "a/y"}
    assert not [name for name, _ in found if name == "tlbench_energy_joules"]  # not measured: no line, not 0
    families = {each.name: each for each in text_string_to_metric_families(document + "\n")}
    assert families["tlbench_peak_memory_bytes"].unit == "bytes"
    assert families["tlbench_step_ms"].documentation == "median milliseconds of a training step of the first phase"
    labels = families["tlbench_accuracy"].samples[0].labels
    assert labels == {"backbone": "a/x", "strategy": "builtin/freeze", "dataset": "packaged/digits", "device": "cpu"}


def test_hostile_names_stay_in_their_labels() -> None:
    found = read(to_openmetrics(report_of([make_record(make_cell(f"a/{HOSTILE}"))])))
    assert {backbone for _, backbone in found} == {"a/a\\b\"c\\nd{e}=,f'\\x1b"}


def test_cells_of_one_name_are_told_apart() -> None:
    cells = [make_cell(protocol=make_protocol(epochs=epochs)) for epochs in (1, 2)]
    families = text_string_to_metric_families(to_openmetrics(report_of(map(make_record, cells))) + "\n")
    samples = next(each for each in families if each.name == "tlbench_accuracy").samples
    assert [sample.labels["cell"] for sample in samples] == [cell.id for cell in cells]


def test_gitlab_splits_a_line_into_a_name_and_a_value() -> None:
    document = to_openmetrics(report_of([make_record(make_cell("a/x y"))]))
    lines = [shlex.split(line) for line in document.splitlines() if not line.startswith("#")]
    assert {len(line) for line in lines} == {2}
    assert [float(value) for name, value in lines if name.startswith("tlbench_accuracy{backbone=a/x y,")] == [0.9]
