"""How many trials get most done at once: counted over the time in which all of them train."""

from __future__ import annotations

import pytest

from tlbench.execute.concurrency import Trialled, common_rate


def every(seconds: float, begin: float, end: float, images: int) -> list[tuple[float, int]]:
    number = int((end - begin) / seconds)
    return [(begin + seconds * step, images) for step in range(number + 1)]


def test_the_rate_of_one_run_is_its_images_over_its_time() -> None:
    assert common_rate([every(0.5, 0.0, 4.0, 32)]) == pytest.approx(64.0)


def test_only_the_time_counts_in_which_all_are_stepping() -> None:
    early, late = every(0.25, 0.0, 8.0, 8), every(0.25, 6.0, 12.0, 16)
    assert common_rate([early, late]) == pytest.approx(4 * 8 + 4 * 16)
    assert common_rate([early, every(0.25, 9.0, 12.0, 16)]) == 0.0


def test_a_run_that_failed_gets_nothing_done() -> None:
    assert common_rate([every(0.5, 0.0, 4.0, 32), []]) == 0.0


def test_many_at_once_must_be_worth_the_disturbance() -> None:
    assert Trialled(4, alone=100.0, together=111.0).best == 4
    assert Trialled(4, alone=100.0, together=109.0).best == 1
    assert Trialled(4, alone=100.0, together=0.0).best == 1
