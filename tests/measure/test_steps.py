"""Step figures: warm-up found and set apart, full batches only, percentiles as numpy has them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tlbench.measure.steps import PhaseSteps, images_per_second, parts_ms, step_ms, warmup_steps
from tlbench.measure.timing import StepTime
from tlbench.results.costs import StepMs


def phase(seconds: list[float], images: list[int] | None = None) -> PhaseSteps:
    log = PhaseSteps()
    log.add([StepTime(each) for each in seconds], images or [4] * len(seconds))
    return log


def figures(*phases: PhaseSteps) -> StepMs:
    found = step_ms(phases)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], 0),
        ([5.0], 1),
        ([5.0, 1.0], 1),
        ([1.0] * 10, 1),
        ([9.0, 8.0, 7.0, *[1.0] * 20], 3),
        ([9.0, 1.0, 8.0, *[1.0] * 20], 3),
        ([9.0, 1.0, 1.0, 1.0, 8.0, *[1.0] * 20], 1),  # a hiccup in the steady state stays in it
        ([9.0] * 5 + [1.0] * 5, 5),
        ([9.0] * 8 + [1.0] * 8, 8),  # half of them at most
        ([0.5] * 5 + [1.0] * 20, 1),  # faster is not warm-up
    ],
)
def test_where_warmup_ends(seconds: list[float], expected: int) -> None:
    assert warmup_steps(seconds) == expected


def test_noise_is_not_taken_for_warmup() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        assert warmup_steps(random.normal(1.0, 0.05, 100).tolist()) <= 5


def test_warmup_stands_apart() -> None:
    log = phase([9.0, 8.0, 7.0, *[0.5] * 10])
    assert (log.warmup_steps, log.warmup_seconds) == (3, 24.0)
    times = figures(log)
    assert (times.median, times.p05, times.p95, times.n) == (500.0, 500.0, 500.0, 10)
    assert (times.median_low, times.median_high) == (500.0, 500.0)
    assert images_per_second([log]) == 8.0


def test_every_phase_has_a_warmup_of_its_own() -> None:
    phases = [phase([9.0, *[1.0] * 9]), phase([9.0, 9.0, *[2.0] * 9])]
    assert [each.warmup_steps for each in phases] == [1, 2]
    assert figures(*phases).n == 18
    assert images_per_second(phases) == pytest.approx(18 * 4 / 27)


@pytest.mark.parametrize("number", [3, 19, 20, 101])
def test_percentiles_are_numpys(number: int) -> None:
    seconds = np.random.default_rng(number).gamma(200.0, 0.01, number)
    log = phase(seconds.tolist())
    steady = seconds[log.warmup_steps :]
    times = figures(log)
    assert [times.median, times.p05, times.p95] == pytest.approx(np.percentile(steady * 1e3, [50, 5, 95]), rel=1e-12)
    assert times.n == len(steady)


def test_the_interval_of_the_median_is_near_the_exact_one() -> None:
    """The exact interval is between two order statistics, whose ranks are binomial."""
    seconds = np.sort(np.random.default_rng(3).gamma(200.0, 0.01, 401))
    log = phase(np.random.default_rng(4).permutation(seconds).tolist())
    times = figures(log)
    steady = np.sort([step.seconds for step, _ in log.steady]) * 1e3
    low, high = (int(rank) for rank in binom.ppf([0.025, 0.975], len(steady), 0.5))
    width = steady[high] - steady[low]
    assert times.median_low == pytest.approx(steady[low], abs=0.3 * width)
    assert times.median_high == pytest.approx(steady[high], abs=0.3 * width)


def test_one_steady_step_is_its_own_spread_and_has_no_interval() -> None:
    times = figures(phase([1.0, 0.25]))
    assert (times.p05, times.median, times.p95, times.n) == (250.0, 250.0, 250.0, 1)
    assert times.median_low is None


def test_step_times_are_of_full_batches_and_throughput_of_all() -> None:
    log = phase([0.2, 0.2, 0.1, 0.2], [8, 8, 2, 8])
    assert (figures(log).median, figures(log).n) == (pytest.approx(200.0), 2)
    assert images_per_second([log]) == pytest.approx(18 / 0.5)


def test_a_full_batch_in_warmup_says_what_full_is() -> None:
    log = phase([0.1, 0.2], [8, 2])
    assert step_ms([log]) is None
    assert images_per_second([log]) == pytest.approx(10)


def test_what_was_not_measured_is_none() -> None:
    for log in (PhaseSteps(), phase([1.0])):
        assert step_ms([log]) is None
        assert images_per_second([log]) is None
        assert parts_ms([log]) is None


def test_parts_sum_to_the_mean_steady_step() -> None:
    log = PhaseSteps()
    log.add(
        [
            StepTime(sum(parts), {"data": parts[0], "forward": parts[1]})
            for parts in [(5.0, 5.0), (1.0, 2.0), (1.0, 4.0)]
        ],
        [4, 4, 4],
    )
    assert parts_ms([log]) == {"data": 1000.0, "forward": 3000.0}
