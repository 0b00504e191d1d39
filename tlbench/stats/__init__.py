"""Statistics of metrics over seeds and test examples."""

from __future__ import annotations

from tlbench.stats.intervals import Estimate, Scores, differ_unpaired, interval, t_half_width
from tlbench.stats.paired import differ, p_value

__all__ = ["Estimate", "Scores", "differ", "differ_unpaired", "interval", "p_value", "t_half_width"]
