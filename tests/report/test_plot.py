"""`results.plot()`: the chart's data, its front, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_cell, make_failure, table_of

import tlbench
from tlbench.errors import UserError
from tlbench.report.plot import plot

RESULTS = Path(__file__).parents[2] / "results"


def test_points_are_the_rows_figures_with_their_intervals() -> None:
    results = tlbench.load("reference", RESULTS)
    chart = results.plot().to_dict()
    assert chart["title"] == "packaged/digits"
    values = {each["cell"]: each for each in chart["data"]["values"]}
    for row in results.rows():
        point = values[f"{row.backbone} × {row.strategy}"]
        assert row.primary is not None
        assert (point["accuracy"], point["low"]) == (row.primary.mean, row.primary.low)
        assert point["train_with_features_seconds"] == row.figures["train_with_features_seconds"]
        assert point["front"]
    assert chart["layer"][2]["encoding"]["x"]["scale"]["type"] == "log"


def test_only_the_front_is_joined() -> None:
    chart = tlbench.load("reference", RESULTS).plot("inference_images_per_second").to_dict()
    assert sum(each["front"] for each in chart["data"]["values"]) == 1
    assert chart["layer"][0]["transform"] == [{"filter": "datum.front"}]


def test_an_unknown_cost_a_metric_and_rows_without_results_are_refused() -> None:
    results = tlbench.load("reference", RESULTS)
    with pytest.raises(UserError, match="there is no cost 'train_secs'; did you mean train_seconds"):
        results.plot("train_secs")
    with pytest.raises(UserError, match="there is no cost 'accuracy'"):
        results.plot("accuracy")
    with pytest.raises(UserError, match="no cell has both"):
        plot(table_of([make_failure(make_cell("a/x"))]).rows, "train_seconds")
    with pytest.raises(UserError, match="name one dataset"):
        tlbench.load("tasks", RESULTS).plot()
