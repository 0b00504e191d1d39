"""A metric that is added to a task: it stands in every record and report of the task's trials."""

from __future__ import annotations

from tlbench import ExtraMetric, Metric
from tlbench.contracts.task import Kept


def least_accuracy(kept: Kept) -> float | None:
    """Of what the task keeps of N predictions: `labels` and `predicted` are N integers; None where N is 0."""
    labels, right = kept["labels"], kept["predicted"] == kept["labels"]
    accuracies = [float(right[labels == label].float().mean()) for label in set(labels.tolist())]
    return min(accuracies, default=None)


worst_class = ExtraMetric(
    Metric("worst_class", "Worst class", "higher", description="accuracy of the class that is recognised least"),
    tasks=("single-label",),
    compute=least_accuracy,
)
