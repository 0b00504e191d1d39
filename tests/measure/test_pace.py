"""A block's step between steps: how often, in which span, and of nothing that a trial draws."""

from __future__ import annotations

import time

import pytest
import torch

from tlbench.measure import pace
from tlbench.measure.pace import Pace
from tlbench.measure.spans import Spans

CPU = torch.device("cpu")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each time that the block is run."""
    found: list[int] = []
    monkeypatch.setattr(pace._Block, "step", lambda _self: found.append(1))
    return found


def test_the_first_call_warms_up_and_counts_for_nothing(passes: list[int]) -> None:
    watched = Pace(CPU, Spans())
    assert passes == []  # nothing before the first step has ended
    watched.between_steps()
    assert len(passes) == pace.WARM_UP
    assert watched.median_ms is None


@pytest.mark.parametrize(("share", "times"), [(0.0, 0), (1e9, pace.MOST_AT_ONCE)])
def test_it_takes_no_more_than_its_share(
    share: float, times: int, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Pace(CPU, Spans())
    watched.between_steps()
    passes.clear()
    monkeypatch.setattr(pace, "SHARE", share)
    watched.between_steps()
    assert len(passes) == times
    assert (watched.median_ms is None) == (times == 0)


def test_its_time_is_that_of_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace._Block, "step", lambda _self: time.sleep(0.01))
    spans = Spans()
    watched = Pace(CPU, spans)
    spans.enter("train")
    watched.between_steps()
    spans.end()
    assert spans.seconds["measure"] >= 0.01 * pace.WARM_UP > spans.seconds["train"]


def test_nothing_is_drawn_from_torchs_generator() -> None:
    before = torch.get_rng_state()
    watched = Pace(CPU, Spans())
    watched.between_steps()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_median_is_that_of_a_real_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SHARE", 1e9)
    watched = Pace(CPU, Spans())
    for _ in range(3):
        watched.between_steps()
    assert watched.median_ms is not None
    assert 0.1 < watched.median_ms < 1e3


def test_other_devices_are_not_asked(passes: list[int]) -> None:
    watched = Pace(torch.device("meta"), Spans())
    watched.between_steps()
    assert passes == [] and watched.median_ms is None
