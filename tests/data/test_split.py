"""Splits keep the shares of classes, never tear equal images apart, and don't depend on chance."""

from __future__ import annotations

import numpy as np
import pytest

from tlbench.data.split import apportion, draw, hold_out

RANDOM = np.random.default_rng(7)
SIZES = [list(RANDOM.integers(0, 60, groups)) for groups in (1, 2, 3, 7, 20)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("total", [0, 1, 5, 17, 100, 10_000])
def test_apportioned_shares_sum_exactly_and_stay_within_their_groups(total: int, sizes: list[int]) -> None:
    shares = apportion(total, sizes)
    assert sum(shares) == min(total, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


def test_shares_are_within_one_of_exact_proportion() -> None:
    sizes = [50, 30, 15, 5]
    for total in range(101):
        exact = [total * size / 100 for size in sizes]
        assert all(abs(share - want) < 1 for share, want in zip(apportion(total, sizes), exact, strict=True))


def test_largest_remainders_get_the_seats_left_over() -> None:
    assert apportion(10, [53, 24, 23]) == [5, 3, 2]


def test_nothing_to_share() -> None:
    assert apportion(3, []) == []
    assert apportion(3, [0, 0]) == [0, 0]


def test_draw_is_stratified() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    drawn = draw(labels, 20)
    assert np.bincount(labels[drawn]).tolist() == [12, 6, 2]
    assert (np.diff(drawn) > 0).all()


def test_a_draw_has_each_class_where_it_is_large_enough() -> None:
    labels = np.repeat([0, 1, 2, 3], [1000, 1, 1, 2])
    assert np.bincount(labels[draw(labels, 10)]).tolist() == [7, 1, 1, 1]
    assert len(draw(labels, 3)) == 3


def test_a_cut_leaves_an_image_of_each_class() -> None:
    labels = np.array([0] * 10 + [1, 2, 3])
    kept, taken = hold_out(labels, hashes_of(np.arange(13)), 6)
    assert set(labels[kept]) == {0, 1, 2, 3}
    assert set(labels[taken]) == {0}
    kept, taken = hold_out(np.array([0, 0, 1]), [b"a", b"b", b"a"], 2)
    assert set(taken) <= {1}


def test_draw_is_the_same_each_time_and_not_just_the_first() -> None:
    labels = np.arange(100) % 2
    drawn = draw(labels, 10)
    assert np.array_equal(drawn, draw(labels.copy(), 10))
    assert not np.array_equal(drawn, np.arange(10))


def test_draw_of_all_or_more_is_all() -> None:
    labels = np.array([1, 0, 1])
    assert draw(labels, 3).tolist() == draw(labels, 9).tolist() == [0, 1, 2]


def hashes_of(keys: np.ndarray) -> list[bytes]:
    return [int(key * 2654435761 % 2**32).to_bytes(4, "big") for key in keys]


def test_cut_is_stratified_and_exact_where_no_images_are_equal() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    kept, taken = hold_out(labels, hashes_of(np.arange(100)), 20)
    assert np.bincount(labels[taken]).tolist() == [12, 6, 2]
    assert sorted([*kept, *taken]) == list(range(100))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(taken) > 0).all()


def test_cut_takes_the_lowest_hashes_of_each_class() -> None:
    labels = np.arange(90) % 3
    hashes = hashes_of(np.arange(90))
    _, taken = hold_out(labels, hashes, 30)
    for label in range(3):
        of_class = sorted(hashes[index] for index in np.flatnonzero(labels == label))
        assert sorted(hashes[index] for index in taken if labels[index] == label) == of_class[:10]


def test_an_image_under_two_labels_counts_once() -> None:
    _, taken = hold_out(np.array([0, 0, 0, 1, 1, 1, 1]), [b"a", b"b", b"x", b"a", b"c", b"y", b"z"], 4)
    assert len(taken) == 4


@pytest.mark.parametrize("number", [1, 5, 20, 40, 79])
def test_cut_keeps_equal_images_together_even_across_labels(number: int) -> None:
    random = np.random.default_rng(number)
    keys, labels = random.integers(0, 40, 80), random.integers(0, 3, 80)
    hashes = hashes_of(keys)
    kept, taken = hold_out(labels, hashes, number)
    assert not {hashes[index] for index in kept} & {hashes[index] for index in taken}
    assert len(taken) <= number
    assert len(kept) + len(taken) == 80


def test_cut_leaves_a_group_that_is_larger_than_the_part() -> None:
    kept, taken = hold_out(np.array([0, 0, 0, 0]), [b"a", b"a", b"a", b"b"], 2)
    assert taken.tolist() == [3]
    assert kept.tolist() == [0, 1, 2]


def test_cut_does_not_depend_on_the_order_of_files() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 60)
    hashes = hashes_of(random.integers(0, 50, 60))
    order = random.permutation(60)
    _, taken = hold_out(labels, hashes, 15)
    _, taken_shuffled = hold_out(labels[order], [hashes[index] for index in order], 15)
    assert sorted(order[taken_shuffled]) == taken.tolist()
