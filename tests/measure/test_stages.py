"""Stages follow one another without a gap."""

from __future__ import annotations

import time

import pytest

from tlbench.measure.stages import Stages


def test_stages_sum_to_the_whole() -> None:
    stages = Stages()
    time.sleep(0.02)
    stages.enter("train")
    with stages.within("validate"):
        time.sleep(0.03)
    stages.enter("evaluate")
    whole = stages.end()
    assert list(stages.seconds) == ["load", "train", "validate", "evaluate"]
    assert sum(stages.seconds.values()) == pytest.approx(whole, abs=1e-9)


def test_a_stage_within_another_is_not_the_others_time() -> None:
    stages = Stages()
    stages.enter("train")
    for _ in range(2):
        with stages.within("validate"):
            time.sleep(0.05)
    stages.end()
    assert stages.seconds["validate"] >= 0.1
    assert stages.seconds["train"] < 0.05


def test_the_outer_stage_goes_on_after_an_error() -> None:
    stages = Stages()
    stages.enter("train")
    with pytest.raises(ValueError, match="bad"), stages.within("validate"):
        raise ValueError("bad")
    time.sleep(0.02)
    stages.end()
    assert stages.seconds["train"] >= 0.02
