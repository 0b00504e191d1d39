"""The spread of costs over repeats."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_cell, make_failure, make_phase, make_record

from tlbench.results.costs import StepMs
from tlbench.session.noise import spreads


def test_spreads_against_numpy() -> None:
    seconds = [7.0, 7.5, 6.0, 7.2]
    records = [make_record(make_cell(), seed, train_seconds=value) for seed, value in enumerate(seconds)]
    found = spreads(records)["train_seconds"]
    assert (found.median, found.lowest, found.highest, found.n) == (np.median(seconds), 6.0, 7.5, 4)
    assert found.deviation_percent == pytest.approx(100 * np.std(seconds, ddof=1) / np.mean(seconds))
    assert found.range_percent == pytest.approx(100 * 1.5 / np.median(seconds))


def test_the_step_is_its_median_and_what_was_not_measured_everywhere_is_left_out() -> None:
    steps = [StepMs(median=value, p05=1, p95=99, n=9) for value in (20.0, 22.0)]
    records = [make_record(make_cell(), seed, phases=[make_phase(step_ms=step)]) for seed, step in enumerate(steps)]
    assert spreads(records)["step_ms"].highest == 22.0
    assert "energy_joules" not in spreads(records)
    assert spreads([*records, make_failure(make_cell(), 2)]) == {}


def test_only_costs_that_differ_from_run_to_run_have_a_spread() -> None:
    found = spreads([make_record(make_cell(), seed) for seed in (0, 1)])
    assert found.keys() == {
        "paid_seconds", "load_seconds", "train_seconds", "train_with_features_seconds", "evaluate_seconds", "step_ms",
        "images_per_second", "inference_images_per_second", "inference_images_per_second_one", "peak_memory_bytes",
    }  # fmt: skip
    assert {spread.deviation_percent for spread in found.values()} == {0.0}
