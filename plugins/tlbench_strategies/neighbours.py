"""A head that keeps the training features and lets the nearest of them vote."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class NearestNeighbours(nn.Module):
    """N×D features to N×classes logarithms of vote shares.

    A neighbour's vote counts exp(cosine similarity / temperature), or without a temperature as much as any other's.
    Where no neighbour votes for a class, its share is the least positive number, so that losses stay finite.
    """

    features: torch.Tensor
    labels: torch.Tensor

    def __init__(
        self,
        features: torch.Tensor,
        labels: torch.Tensor,
        classes: int,
        k: int,
        metric: str,
        temperature: float | None,
    ) -> None:
        super().__init__()
        self.register_buffer("features", F.normalize(features, dim=1) if metric == "cosine" else features)
        self.register_buffer("labels", labels)
        self.classes = classes
        self.k = min(k, len(labels))
        self.metric = metric
        self.temperature = temperature

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Vote."""
        given = images.float()
        if self.metric == "cosine":
            nearness = F.normalize(given, dim=1) @ self.features.T
        else:
            nearness = -torch.cdist(given, self.features, compute_mode="donot_use_mm_for_euclid_dist")
        near, places = nearness.topk(self.k, dim=1)
        votes = torch.ones_like(near) if self.temperature is None else ((near - 1) / self.temperature).exp()
        shares = torch.zeros(len(given), self.classes, device=given.device)
        shares.scatter_add_(1, self.labels[places], votes)
        return (shares / shares.sum(1, keepdim=True)).clamp_min(torch.finfo(torch.float32).tiny).log()
