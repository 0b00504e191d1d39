"""What several seeds say together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % interval, None on a single seed."""

    mean: float
    half_width: float | None
    n: int


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean with Student's t interval: mean ± t(n - 1) · s / √n. Raises ValueError on no values."""
    if not values:
        raise ValueError("there is no estimate from no values")
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(mean, None, 1)
    from scipy.stats import t  # slow to import, and only needed with several seeds

    spread = statistics.stdev(values) / len(values) ** 0.5
    return Estimate(mean, float(t.ppf((1 + confidence) / 2, len(values) - 1)) * spread, len(values))
