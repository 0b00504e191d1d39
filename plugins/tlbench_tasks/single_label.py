"""Single-label classification: one class for each image."""

from __future__ import annotations

import statistics as stats
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_accuracy,
    multiclass_f1_score,
)

from tlbench.contracts.task import PLAIN_LOSS, Kept, LossOptions, Metric, Objective, Statistics, Task
from tlbench.toolkit import counted, listed
from tlbench_tasks.whole import whole_numbers

TOP5_FROM_CLASSES = 11
"""With fewer classes, five guesses say little."""
ECE_BINS = 15
"""As in Guo et al. 2017, who made the figure known."""
RULE = "labels are integers, the places of their classes in the list of classes"
CHANCE = 1.05
"""Up to how many times one class's share counts as chance."""
NEVER = -1e30
"""The logit of a class that has no training image."""


class SingleLabel(Task):
    """Classes exclude each other: softmax and cross-entropy. Labels are N integers, places in the list of classes."""

    metrics = (
        Metric("accuracy", "Accuracy", "higher", "share", description="the share of examples predicted correctly"),
        Metric(
            "top5_accuracy",
            "Top 5",
            "higher",
            "share",
            description="the label is among five guesses; from 11 classes on",
        ),
        Metric(
            "balanced_accuracy", "Balanced", "higher", description="the mean accuracy of the classes that occur in test"
        ),
        Metric("macro_f1", "Macro F1", "higher", description="the mean F1 of all classes"),
        Metric("nll", "NLL", "lower", "number", "mean negative log-likelihood, in nats"),
        Metric("ece", "ECE", "lower", "number", f"expected calibration error in {ECE_BINS} bins (Guo et al. 2017)"),
    )
    primary = "accuracy"
    loss_options = ("label_smoothing", "class_weights", "mixup", "cutmix")

    def checked(
        self, names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]
    ) -> np.ndarray:
        """N integers from 0 to the number of classes less one."""
        given = np.asarray(labels)
        if given.ndim != 1:
            raise ValueError(f"labels have the shape {given.shape}; one class number for each image is expected")
        whole = whole_numbers(given, describe, RULE)
        outside = np.flatnonzero((whole < 0) | (whole >= len(names)))
        if len(outside):
            example = int(outside[0])
            raise ValueError(
                f"the label of {describe(example)} is {whole[example]}; with {len(names)} classes, labels are 0 to "
                f"{len(names) - 1}"
            )
        return whole

    def check_splits(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> None:
        """Train has all classes that occur elsewhere."""
        known = np.unique(labels["train"])
        for split, values in labels.items():
            if unknown := np.setdiff1d(values, known).tolist():
                raise ValueError(
                    f"{split} has {listed([str(names[each]) for each in unknown])}, of which train has no image; add "
                    f"some to train, or take them out of {split}"
                )

    def check_train(self, names: Sequence[str], labels: np.ndarray) -> None:
        """It has two classes at least."""
        if len(np.unique(labels)) < 2:
            raise ValueError(f"the {len(labels)} training images are all of one class")

    def notes(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> Iterator[str]:
        """Which splits lack which classes."""
        for split, values in labels.items():
            if missing := np.setdiff1d(np.arange(len(names)), values).tolist():
                what = {"train": "nothing is learned of them", "val": "choices on val are made without them"}.get(
                    split, "figures are over the classes that occur"
                )
                said = listed([str(names[each]) for each in missing])
                yield f"{split} has no image of {len(missing)} of {len(names)} classes ({said}): {what}"

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """The classes."""
        return labels

    def outputs(self, names: Sequence[str]) -> int:
        """One for each class."""
        return len(names)

    def described(self, names: Sequence[str]) -> str:
        """`10 classes (0, 1, …)`."""
        return f"{counted(len(names), 'class', 'classes')} ({listed(names)})"

    def answer(self, names: Sequence[str], predicted: Sequence[float]) -> str:
        """The most probable class."""
        return names[max(range(len(names)), key=predicted.__getitem__)]

    def statistics(self, names: Sequence[str], labels: np.ndarray) -> Statistics:
        """The number of training images of each class."""
        return {"counts": np.bincount(labels, minlength=len(names)).tolist()}

    def objective(self, names: Sequence[str], statistics: Statistics, options: LossOptions = PLAIN_LOSS) -> Objective:
        """Cross-entropy over the classes."""
        return OneClass(torch.tensor(statistics["counts"], dtype=torch.float64), options)


class OneClass(Objective):
    """Softmax and cross-entropy."""

    def __init__(self, counts: torch.Tensor, options: LossOptions) -> None:
        self.outputs = len(counts)
        self._counts = counts
        self._smoothing = options.label_smoothing
        self._weights = _balanced(counts).float() if options.class_weights else None

    def losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropies, smoothed and weighted as the options say."""
        return F.cross_entropy(
            outputs, labels, self._on(outputs.device), reduction="none", label_smoothing=self._smoothing
        )

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """PyTorch's mean: with weights, over the sum of the labels' weights."""
        return F.cross_entropy(outputs, labels, self._on(outputs.device), label_smoothing=self._smoothing)

    def encoded(self, labels: torch.Tensor) -> torch.Tensor:
        """One-hot."""
        return F.one_hot(labels, self.outputs).float()

    def constant(self) -> torch.Tensor:
        """The logarithms of the classes' shares in train."""
        return torch.where(self._counts > 0, (self._counts / self._counts.sum()).log(), NEVER).float()

    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """The classes' probabilities."""
        return outputs.float().softmax(dim=1)

    def kept(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The class, its rank, the prediction and its confidence; the loss is taken from the logits.

        So it is finite where a probability rounds to 0.
        """
        probabilities = self.predicted(outputs)
        confidence, predicted = probabilities.max(dim=1)
        own = probabilities.gather(1, labels[:, None])
        return {
            "labels": labels,
            "predicted": predicted,
            "confidence": confidence,
            "rank": (probabilities > own).sum(1) + 1,
            "loss": F.cross_entropy(outputs.float(), labels, reduction="none"),
        }

    def scores(self, kept: Kept) -> dict[str, float | None]:
        """All figures; balanced accuracy is over the classes that occur."""
        labels, predicted = kept["labels"], kept["predicted"]
        occurring = [value for value in self._by_class(kept) if value is not None]
        right = (predicted == labels).long()
        return {
            "accuracy": float(right.double().mean()),
            "top5_accuracy": float((kept["rank"] <= 5).double().mean()) if self.outputs >= TOP5_FROM_CLASSES else None,
            "balanced_accuracy": stats.fmean(occurring),
            "macro_f1": float(multiclass_f1_score(predicted, labels, self.outputs, average="macro")),
            "nll": float(kept["loss"].double().mean()),
            "ece": float(binary_calibration_error(kept["confidence"], right, n_bins=ECE_BINS, norm="l1")),
        }

    def by_target(self, kept: Kept) -> dict[str, list[float | None]]:
        """The accuracy of each class."""
        return {"accuracy": self._by_class(kept)}

    def example_scores(self, kept: Kept) -> torch.Tensor:
        """Whether each is predicted correctly."""
        return (kept["predicted"] == kept["labels"]).float()

    def learned_nothing(self, kept: Kept) -> bool:
        """Whether predictions are as good as one class for all images: 1/K of K classes on average."""
        occurring = [value for value in self._by_class(kept) if value is not None]
        return len(occurring) > 1 and stats.fmean(occurring) <= CHANCE / len(occurring)

    def _by_class(self, kept: Kept) -> list[float | None]:
        found = multiclass_accuracy(kept["predicted"], kept["labels"], self.outputs, average=None)
        occurs = torch.bincount(kept["labels"], minlength=self.outputs) > 0
        return [float(value) if present else None for value, present in zip(found, occurs, strict=True)]

    def _on(self, device: torch.device) -> torch.Tensor | None:
        """The classes' weights, moved once."""
        if self._weights is not None and self._weights.device != device:
            self._weights = self._weights.to(device)
        return self._weights


def _balanced(counts: torch.Tensor) -> torch.Tensor:
    """Weights that make all classes count alike: N / (classes · N of the class), as scikit-learn's "balanced".

    A class without training images gets 0.
    """
    return torch.where(counts > 0, counts.sum() / (len(counts) * counts.clamp(min=1)), 0.0)
