"""All comparisons of a table: corrected for their number, in words, and as ranks."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from tlbench.stats import Difference, Sample, Spread, family, holm
from tlbench.stats.family import letters
from tlbench.stats.moderate import moderated
from tlbench.stats.power import power, smallest
from tlbench.stats.ranks import ranks


def cell(chance: float, seed: int, seeds: int = 3, images: int = 2_000) -> Sample:
    """A cell whose seeds are right on so many of the images, each image as hard for all cells."""
    hard = np.random.default_rng(0).random(images)
    noise = np.random.default_rng(seed + 1).normal(0, 0.05, (seeds, images))
    scores = hard + noise < chance
    return Sample({each: float(scores[each].mean()) for each in range(seeds)}, dict(enumerate(scores)), images, True)


def test_p_values_are_corrected_as_statsmodels_does() -> None:
    p_values = {"a": 0.01, "b": 0.04, "c": None, "d": 0.03}
    expected = multipletests([0.01, 0.04, 0.03], method="holm")[1]
    assert holm(p_values) == pytest.approx({"a": expected[0], "b": expected[1], "c": None, "d": expected[2]})
    many = dict(enumerate(np.random.default_rng(0).beta(0.2, 2.0, 200).tolist()))
    assert list(holm(many).values()) == pytest.approx(multipletests(list(many.values()), method="holm")[1].tolist())
    assert holm({}) == {}


def test_verdicts_are_better_worse_tie_and_practically_equal() -> None:
    found = family([cell(0.9, 1), cell(0.9, 2), cell(0.8, 3)], "higher")
    verdicts = [found.pair(*pair).verdict for pair in ((0, 1), (0, 2), (2, 0))]
    assert verdicts == ["tie", "better", "worse"]
    with_margin = family([cell(0.9, 1), cell(0.9, 2), cell(0.8, 3)], "higher", margin=0.02)
    assert [with_margin.pair(*pair).verdict for pair in ((0, 1), (0, 2))] == ["practically equal", "better"]
    assert family([cell(0.9, 1), cell(0.9, 2)], "higher", margin=0.0001).pair(0, 1).verdict == "tie"


def test_where_lower_is_better_the_verdict_turns() -> None:
    found = family([cell(0.9, 1), cell(0.8, 3)], "lower").pair(0, 1)
    assert (found.verdict, found.reversed().verdict) == ("worse", "better")
    assert found.reversed().difference.value == -found.difference.value


def test_a_difference_inside_the_margin_is_practically_equal_however_certain_it_is() -> None:
    found = family([cell(0.9, 1, images=20_000), cell(0.89, 2, images=20_000)], "higher", margin=0.03).pair(0, 1)
    assert found.p_value is not None and found.p_value < 0.05
    assert found.verdict == "practically equal"


def test_where_nothing_is_known_of_the_spread_the_verdict_is_unknown() -> None:
    assert family([Sample({0: 1.0}), Sample({0: 2.0})], "higher").pair(0, 1).verdict == "unknown"


def test_cells_that_are_not_told_apart_share_a_letter() -> None:
    apart = np.zeros((3, 3), bool)
    apart[0, 2] = apart[2, 0] = True
    assert letters(apart) == ["a", "ab", "b"]
    found = family([cell(0.9, 1), cell(0.9, 2), cell(0.8, 3), cell(0.5, 4)], "higher").ranks([0, 1, 2, 3])
    assert found == {0: "a", 1: "a", 2: "b", 3: "c"}


def test_many_cells_have_ranges_of_ranks() -> None:
    chances = np.linspace(0.95, 0.35, 31)
    found = family([cell(chance, seed, images=300) for seed, chance in enumerate(chances)], "higher").ranks(range(31))
    assert found[0].startswith("1–") and found[30].endswith("–31")
    assert all(int(each.partition("–")[0]) <= place + 1 for place, each in found.items())


def test_variances_that_differ_by_chance_alone_become_one() -> None:
    true = np.random.default_rng(1).chisquare(2, 200) / 2
    found, freedom = moderated(true, 2.0, 100.0)
    assert freedom > 20
    assert found.std() < 0.15 * true.std()


def test_variances_that_really_differ_stay_apart() -> None:
    scale = np.exp(np.random.default_rng(2).normal(0, 3, 200))
    own = scale * np.random.default_rng(3).chisquare(8, 200) / 8
    found, freedom = moderated(own, 8.0, 1_000.0)
    assert freedom < 9
    assert np.corrcoef(np.log(found), np.log(own))[0, 1] > 0.98


def test_the_variance_of_seeds_that_make_no_difference_stays_0() -> None:
    found, _ = moderated(np.array([0.0, 1.0, 2.0, 1.5, 0.7]), 2.0, 12.0)
    assert found[0] == 0.0 and (found[1:] > 0).all()


def test_two_cells_know_nothing_of_each_others_variance() -> None:
    given = np.array([1.0])
    assert moderated(given, 2.0, 2.0) == (given, 2.0)


def test_mean_ranks_over_datasets_weigh_each_dataset_the_same() -> None:
    """Demšar (2006), table 6: C4.5 with two parameters tuned or not, on 14 datasets."""
    table = np.array([
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
    ])  # fmt: skip
    found = ranks(table, ["higher"] * 14)
    assert found.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=0.001)
    assert found.critical_difference == pytest.approx(1.25, abs=0.01)
    assert found.p_value is not None and found.p_value < 0.05


def test_datasets_whose_metric_had_better_be_low_are_ranked_from_the_lowest() -> None:
    found = ranks(np.array([[0.9, 0.8], [1.0, 2.0], [3.0, 4.0]]), ["higher", "lower", "lower"])
    assert (found.mean_ranks, found.wins) == ((1.0, 2.0), (3, 0))
    with pytest.raises(ValueError, match="1 cells over 3 datasets"):
        ranks(np.ones((3, 1)), ["higher"] * 3)


def test_the_smallest_difference_is_found_in_80_of_100_cases() -> None:
    """By simulation: the difference of two cells is drawn, and the test finds it as often as it says."""
    found = family([cell(0.9, 1), cell(0.895, 2)], "higher").pair(0, 1).difference
    assert found.spread is not None
    said = smallest(found.spread, 0.05)
    generator = np.random.default_rng(5)
    spread = found.spread
    hits = 0
    for _ in range(2_000):
        seeds = generator.normal(said, np.sqrt(3 * spread.by_seed), 3) + generator.normal(0, np.sqrt(spread.by_example))
        again = type(spread)(float(seeds.mean()), float(seeds.var(ddof=1)) / 3, spread.by_example, 2.0, spread.examples)
        hits += again.two_sided() < 0.05
    assert 0.7 <= hits / 2_000 <= 0.9


def test_more_seeds_or_more_images_find_a_smaller_difference() -> None:
    from_seeds = Difference(0.0, Spread(0.0, 1e-4, 1e-6, 2.0, 1_000), 1.0, 3, paired=True)
    from_images = Difference(0.0, Spread(0.0, 1e-7, 1e-4, 2.0, 1_000), 1.0, 3, paired=True)
    said = power([from_seeds], 1, 0.01)
    assert said is not None and said.smallest > 0.01
    assert said.seeds == 28 and said.examples is None
    spread = Spread(0.0, 1e-4 * 3 / 28, 1e-6, 27.0, 1_000)
    assert smallest(spread, 0.05) == pytest.approx(0.01, rel=0.02)
    said = power([from_images], 1, 0.01)
    assert said is not None and said.seeds is None and said.examples is not None
    assert 7_000 < said.examples < 9_000


def test_of_one_seed_nothing_is_said_of_more_seeds() -> None:
    found = family([cell(0.9, 1, seeds=1), cell(0.895, 2, seeds=1)], "higher").pair(0, 1).difference
    said = power([found], 1, 0.001)
    assert said is not None and said.seeds is None
