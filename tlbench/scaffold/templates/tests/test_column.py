"""The column has its figure in a real run."""

from __future__ import annotations

from pathlib import Path

import pytest
import tlbench

from my_plugin.column import above_chance


def test_it_is_the_accuracy_less_that_of_chance(tmp_path: Path) -> None:
    (record,) = tlbench.run(
        backbones="small_cnn",
        datasets="digits:train=96:test=60",
        strategies="freeze",
        epochs=1,
        results=tmp_path,
        progress=False,
    )
    assert record.metrics is not None
    accuracy, chance = record.metrics.test["accuracy"], record.metrics.chance
    assert accuracy is not None and chance is not None
    assert above_chance.value(record) == pytest.approx(accuracy - chance)
