"""How much each example is worth to a mean average precision, by the jackknife."""

from __future__ import annotations

import torch


def pseudo_values(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
    """Tukey's (1958) pseudo-values N·θ - (N - 1)·θ without the example, of the mean over labels of the AP (N).

    `scores` and `labels` (bool) are N×K. Their mean estimates θ, and their variance over N that of its estimate.
    Labels with fewer than two examples are left out; None where none is left. Equal scores are ordered as they come.
    """
    labels = labels.bool()
    usable = labels.sum(0) > 1
    if not usable.any():
        return None
    by_label = [_of_label(score, label) for score, label in zip(scores.T[usable], labels.T[usable], strict=True)]
    return torch.stack(by_label).mean(0).float()


def _of_label(scores: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """One label's. AP is the mean over positives of the share of positives down to their rank.

    Without an example of a rank, all below it move up by one, and lose it from their count if it is a positive.
    """
    number = len(scores)
    order = scores.argsort(descending=True, stable=True)
    hit = positive[order].double()
    rank = torch.arange(1, number + 1, dtype=torch.float64)
    count, positives = hit.cumsum(0), hit.sum()
    above = hit * count / rank
    before = above.cumsum(0) - above
    whole = above.sum() / positives

    def below(lost: int) -> torch.Tensor:
        """For each rank the sum over positives below it, with one example, and `lost` of its positives, taken out."""
        shares = hit * (count - lost) / (rank - 1).clamp(min=1)
        return shares.sum() - shares.cumsum(0)

    without = torch.where(hit == 1, (before + below(1)) / (positives - 1).clamp(min=1), (before + below(0)) / positives)
    values = torch.empty(number, dtype=torch.float64)
    values[order] = number * whole - (number - 1) * without
    return values
