"""All comparisons of a table: each pair's difference, corrected for their number, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeVar

import numpy as np

from tlbench.stats.paired import Difference
from tlbench.stats.pairwise import Pairs, differences
from tlbench.stats.sample import Sample
from tlbench.stats.spread import tails

K = TypeVar("K")
LEVEL = 0.05
MOST_LETTERED = 30
"""Cells that get letters; the search for these takes long of more, and finds too many to read."""
MOST_LETTERS = 5
Better = Literal["higher", "lower"]
Verdict = Literal["better", "worse", "tie", "practically equal", "unknown"]


def verdict_of(gain: float, p_value: float | None, p_margin: float | None, level: float = LEVEL) -> Verdict:
    """A difference in a word; `gain` is how much better the first of the two is.

    `practically equal` where the margin is excluded, however small the difference that is certain; `tie` where neither
    a difference nor practical equality is shown; `unknown` where nothing is known of the spread.
    """
    if p_value is None:
        return "unknown"
    if p_margin is not None and p_margin < level:
        return "practically equal"
    if p_value >= level or gain == 0:
        return "tie"
    return "better" if gain > 0 else "worse"


@dataclass(frozen=True)
class Pair:
    """A difference, with its p value and that of being as large as the margin, both corrected over the table (Holm)."""

    difference: Difference
    p_value: float | None
    p_margin: float | None
    better: Better

    @property
    def verdict(self) -> Verdict:
        """What the first of the two is, compared with the second, as `verdict_of` has it."""
        gain = self.difference.value if self.better == "higher" else -self.difference.value
        return verdict_of(gain, self.p_value, self.p_margin)

    @property
    def differs(self) -> bool:
        """Whether the two are told apart."""
        return self.verdict in ("better", "worse")

    def reversed(self) -> Pair:
        """The second of the two, compared with the first."""
        return Pair(self.difference.reversed(), self.p_value, self.p_margin, self.better)


@dataclass(frozen=True)
class Family:
    """All pairs of so many cells, by the numbers of the two."""

    size: int
    pairs: Mapping[tuple[int, int], Pair]

    def pair(self, ours: int, theirs: int) -> Pair:
        """One cell compared with another one."""
        return self.pairs[ours, theirs] if ours < theirs else self.pairs[theirs, ours].reversed()

    def ranks(self, order: Sequence[int]) -> dict[int, str]:
        """The rank of each cell, the cells given from the best, as `ranked` has it; of one cell, none."""
        if len(order) < 2:
            return {}
        apart = np.zeros((len(order), len(order)), bool)
        for first, second in combinations(range(len(order)), 2):
            apart[first, second] = apart[second, first] = self.pair(order[first], order[second]).differs
        return dict(zip(order, ranked(apart), strict=True))


def ranked(apart: np.ndarray) -> list[str]:
    """Ranks of cells, given from the best, of which some are told apart (cells × cells).

    Letters that cells share which are not told apart (compact letter display, Piepho 2004), or where these would be
    more than 5, ranges: from how many cells are better to how many are not worse.
    """
    found = letters(apart) if len(apart) <= MOST_LETTERED else None
    if found is None or max(map(len, found)) > MOST_LETTERS:
        return [_range(place, apart[place]) for place in range(len(apart))]
    return found


def _range(place: int, apart: np.ndarray) -> str:
    """From the rank that a cell has at best to the one that it has at worst."""
    best, worst = 1 + int(apart[:place].sum()), len(apart) - int(apart[place + 1 :].sum())
    return str(best) if best == worst else f"{best}–{worst}"


def letters(apart: np.ndarray) -> list[str]:
    """For each cell, given from the best, the letters that it shares with those that it is not told apart from."""
    if len(apart) == 2:
        return ["a", "b" if apart[0, 1] else "a"]
    from scikit_posthocs import compact_letter_display  # slow to import

    return [str(each).replace(" ", "") for each in compact_letter_display(np.where(apart, 0.0, 1.0))]


def family(samples: Sequence[Sample], better: Better, margin: float | None = None) -> Family:
    """Compare all pairs of cells; `margin` is the difference below which two are practically equal."""
    compared = differences(samples)
    p_values = holm({pair: each.p_value for pair, each in compared.items()})
    equal = {} if margin is None else holm(_within(compared, margin))
    return Family(
        len(samples),
        {key: Pair(each, p_values[key], equal.get(key), better) for key, each in compared.items()},
    )


def _within(compared: Pairs, margin: float) -> dict[tuple[int, int], float | None]:
    """The p value of each difference being as large as a margin."""
    spreads = {pair: each.spread for pair, each in compared.items() if each.spread is not None}
    if not spreads:
        return dict.fromkeys(compared)
    facts = np.array(
        [[each.mean, each.by_seed, each.by_example, each.freedom, each.examples] for each in spreads.values()]
    )
    mean, *others = facts.T
    found = np.maximum(tails(margin - mean, *others), tails(margin + mean, *others))
    return dict.fromkeys(compared) | dict(zip(spreads, map(float, found), strict=True))


def holm(p_values: Mapping[K, float | None]) -> dict[K, float | None]:
    """P values corrected for their number (Holm 1979); those that are None do not count.

    By hand, as statsmodels' collects the process's garbage at each call; the tests hold it to statsmodels'.
    """
    known = {key: each for key, each in p_values.items() if each is not None}
    order = sorted(known, key=known.__getitem__)
    corrected, least = dict.fromkeys(p_values), 0.0
    for place, key in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * known[key]))
        corrected[key] = least
    return corrected
