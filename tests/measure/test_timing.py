"""Step times: warm-up apart, full batches only, percentiles as numpy has them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from tlbench.measure.timing import StepLog, WallClock, step_clock


def log_of(seconds: list[float], images: list[int], warmup_steps: int = 3) -> StepLog:
    log = StepLog(warmup_steps)
    log.add(seconds, images)
    return log


def test_warmup_stands_apart() -> None:
    log = log_of([9.0, 8.0, 7.0, 0.5, 0.5], [4] * 5)
    assert log.warmup == (3, 24.0)
    times = log.step_ms()
    assert times is not None
    assert (times.median, times.p05, times.p95, times.n) == (500.0, 500.0, 500.0, 2)
    assert log.images_per_second() == 8.0


@pytest.mark.parametrize("number", [2, 3, 19, 20, 101])
def test_percentiles_are_numpys(number: int) -> None:
    seconds = np.random.default_rng(number).gamma(2.0, 0.01, number)
    times = log_of(seconds.tolist(), [32] * number, warmup_steps=0).step_ms()
    assert times is not None
    expected = np.percentile(seconds * 1e3, [50, 5, 95])
    assert [times.median, times.p05, times.p95] == pytest.approx(expected, rel=1e-9)
    assert times.n == number


def test_one_steady_step_is_its_own_spread() -> None:
    times = log_of([1.0, 0.25], [4, 4], warmup_steps=1).step_ms()
    assert times is not None
    assert (times.p05, times.median, times.p95, times.n) == (250.0, 250.0, 250.0, 1)


def test_step_times_are_of_full_batches_and_throughput_of_all() -> None:
    log = log_of([0.1, 0.2, 0.1, 0.2], [8, 8, 2, 8], warmup_steps=1)
    times = log.step_ms()
    assert times is not None
    assert (times.median, times.n) == (pytest.approx(200.0), 2)
    assert log.images_per_second() == pytest.approx(18 / 0.5)


def test_a_full_batch_in_warmup_says_what_full_is() -> None:
    log = log_of([0.1, 0.2], [8, 2], warmup_steps=1)
    assert log.step_ms() is None
    assert log.images_per_second() == pytest.approx(10)


def test_what_was_not_measured_is_none() -> None:
    for log in (StepLog(), log_of([1.0, 1.0, 1.0], [4, 4, 4])):
        assert log.step_ms() is None
        assert log.images_per_second() is None
    assert StepLog().warmup == (0, 0)


def test_warmup_is_counted_over_the_trial_and_not_over_each_epoch() -> None:
    log = StepLog(3)
    for _ in range(3):
        log.add([1.0, 1.0], [4, 4])
    assert log.warmup == (3, 3.0)
    times = log.step_ms()
    assert times is not None
    assert times.n == 3


def test_wall_clock_measures_at_least_the_sleep() -> None:
    clock = WallClock()
    for pause in (0.02, 0.05):
        clock.start()
        time.sleep(pause)
        clock.stop()
        time.sleep(0.25)
    first, second = clock.resolve()
    assert first >= 0.02
    assert second >= 0.05
    assert first + second < 0.3
    assert clock.resolve() == []


def test_the_cpu_has_the_wall_clock() -> None:
    assert type(step_clock(torch.device("cpu"))) is WallClock
