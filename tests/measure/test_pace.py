"""A fixed convolution between steps: how often, in which span, and of nothing that a trial draws or holds."""

from __future__ import annotations

import time

import pytest
import torch

from tlbench.measure import pace
from tlbench.measure.pace import Pace
from tlbench.measure.spans import Spans

CPU = torch.device("cpu")


def test_it_is_timed_where_there_is_time_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Pace(CPU, Spans())
    assert watched.median_ms is None  # warm-up counts for nothing
    watched.between_steps()
    assert watched.median_ms is None  # 2 % of no time is too little
    monkeypatch.setattr(pace, "SHARE", 1e9)
    watched.between_steps()
    assert watched.median_ms is not None
    assert 0 < watched.median_ms < 1e3


@pytest.mark.parametrize(("share", "times"), [(0.0, 0), (1e9, pace.MOST_AT_ONCE)])
def test_it_takes_no_more_than_its_share(share: float, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, passes = Pace(CPU, Spans()), []
    monkeypatch.setattr(pace, "SHARE", share)
    monkeypatch.setattr(pace.F, "conv2d", lambda *_, **__: passes.append(1))
    watched.between_steps()
    assert len(passes) == 2 * times


def test_its_time_is_that_of_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = Spans()
    watched = Pace(CPU, spans)
    spans.enter("train")
    monkeypatch.setattr(pace, "SHARE", 1e9)
    monkeypatch.setattr(pace.F, "conv2d", lambda *_, **__: time.sleep(0.01))
    watched.between_steps()
    spans.end()
    assert spans.seconds["measure"] >= 2 * 0.01 * pace.MOST_AT_ONCE > spans.seconds["train"]


def test_nothing_is_drawn_from_torchs_generator_and_other_devices_are_not_asked() -> None:
    before = torch.get_rng_state()
    Pace(CPU, Spans()).between_steps()
    assert torch.equal(torch.get_rng_state(), before)
    elsewhere = Pace(torch.device("meta"), Spans())
    elsewhere.between_steps()
    assert elsewhere.median_ms is None
