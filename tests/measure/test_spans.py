"""Spans follow one another without a gap."""

from __future__ import annotations

import time

import pytest

from tlbench.measure.spans import Spans


def test_stages_sum_to_the_whole() -> None:
    spans = Spans()
    time.sleep(0.02)
    spans.enter("train")
    with spans.within("validate"):
        time.sleep(0.03)
    spans.enter("evaluate")
    whole = spans.end()
    assert list(spans.seconds) == ["load", "train", "validate", "evaluate"]
    assert sum(spans.seconds.values()) == pytest.approx(whole, abs=1e-9)


def test_a_stage_within_another_is_not_the_others_time() -> None:
    spans = Spans()
    spans.enter("train")
    for _ in range(2):
        with spans.within("validate"):
            time.sleep(0.05)
    spans.end()
    assert spans.seconds["validate"] >= 0.1
    assert spans.seconds["train"] < 0.05


def test_the_outer_stage_goes_on_after_an_error() -> None:
    spans = Spans()
    spans.enter("train")
    with pytest.raises(ValueError, match="bad"), spans.within("validate"):
        raise ValueError("bad")
    time.sleep(0.02)
    spans.end()
    assert spans.seconds["train"] >= 0.02
