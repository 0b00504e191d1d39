"""Clocks against pauses of known length."""

from __future__ import annotations

import time

import pytest
import torch

from tlbench.measure.timing import WallClock, step_clock

PAUSE = 0.1


def test_a_step_of_known_duration_is_measured_within_2_percent() -> None:
    clock = WallClock()
    for _ in range(5):
        clock.start()
        time.sleep(PAUSE)
        clock.stop("optimizer")
        time.sleep(PAUSE)  # between steps: not theirs
    fastest = min(step.seconds for step in clock.resolve())
    assert fastest == pytest.approx(PAUSE, rel=0.02)
    assert clock.resolve() == []


def test_the_parts_sum_to_the_step_and_are_of_their_own_length() -> None:
    clock = WallClock(detail=True)
    clock.start()
    clock.lap("data")
    time.sleep(PAUSE)
    clock.lap("forward")
    time.sleep(3 * PAUSE)
    clock.lap("backward")
    clock.stop("optimizer")
    (step,) = clock.resolve()
    assert sum(step.parts.values()) == pytest.approx(step.seconds, abs=1e-9)
    assert list(step.parts) == ["data", "forward", "backward", "optimizer"]
    assert step.parts["forward"] >= PAUSE
    assert step.parts["backward"] >= 3 * PAUSE
    assert step.parts["data"] + step.parts["optimizer"] < PAUSE


def test_without_detail_there_are_no_parts() -> None:
    clock = step_clock(torch.device("cpu"))
    clock.start()
    clock.lap("data")
    clock.stop("optimizer")
    assert [step.parts for step in clock.resolve()] == [{}]
