"""Cells compared over several datasets, each of which weighs the same: mean ranks, wins, the critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tlbench.stats.family import LEVEL, Better, ranked


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over datasets, in the order of the columns given; `places` are letters or ranges, as of `ranked`.

    `critical_difference` is the distance of two mean ranks from which they are told apart (Nemenyi 1963, as in Demšar
    2006, JMLR 7, 1), `p_value` Friedman's, of there being no difference at all (None of two cells).
    """

    mean_ranks: tuple[float, ...]
    wins: tuple[int, ...]
    places: tuple[str, ...]
    critical_difference: float
    p_value: float | None
    datasets: int

    @property
    def lettered(self) -> bool:
        """Whether places are letters, which cells share that are not told apart."""
        return all(each.isalpha() for each in self.places)


def ranks(values: np.ndarray, better: list[Better]) -> Ranks:
    """Rank the columns of a datasets × cells array of mean metrics; ties share the mean of their ranks.

    `better` says of each dataset's metric which way is better. Raises ValueError with fewer than two of either.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    datasets, cells = values.shape
    if datasets < 2 or cells < 2:
        raise ValueError(f"ranks of {cells} cells over {datasets} datasets")
    sign = np.array([-1.0 if each == "higher" else 1.0 for each in better])[:, None]
    merits = sign * values  # the lower, the better
    found = rankdata(merits, axis=1)
    mean_ranks = found.mean(0)
    critical = float(studentized_range.ppf(1 - LEVEL, cells, np.inf)) / math.sqrt(2)
    critical *= math.sqrt(cells * (cells + 1) / (6 * datasets))
    return Ranks(
        mean_ranks=tuple(map(float, mean_ranks)),
        wins=tuple(int(each) for each in (merits == merits.min(1, keepdims=True)).sum(0)),
        places=_places(mean_ranks, critical),
        critical_difference=critical,
        p_value=float(friedmanchisquare(*merits.T).pvalue) if cells > 2 else None,
        datasets=datasets,
    )


def _places(mean_ranks: np.ndarray, critical: float) -> tuple[str, ...]:
    """The places of cells, told apart where their mean ranks differ by more than the critical difference."""
    order = np.argsort(mean_ranks, kind="stable")
    ordered = mean_ranks[order]
    found = [""] * len(order)
    for place, each in zip(order, ranked(np.abs(ordered[:, None] - ordered) > critical), strict=True):
        found[place] = each
    return tuple(found)
