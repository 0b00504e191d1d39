"""Multi-label classification: any number of labels for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import binary_average_precision, binary_f1_score

from tlbench.contracts.task import PLAIN_LOSS, Kept, LossOptions, Metric, Objective, Statistics, Task
from tlbench.toolkit import counted, listed
from tlbench_tasks.average_precision import pseudo_values
from tlbench_tasks.whole import whole_numbers

CHANCE = 1.05
"""Up to how many times the mean share of the labels counts as chance: a random order's average precision is that."""
LEAST_SHARE = 1e-6
"""Of a label that no training image has, so that its logit is a number."""


class MultiLabel(Task):
    """Each label applies or does not: sigmoids and binary cross-entropy. Labels are N×K of 0 and 1."""

    metrics = (
        Metric("map", "mAP", "higher", description="the mean over labels of the average precision"),
        Metric("macro_f1", "Macro F1", "higher", description="the mean over labels of F1, at a probability of 0.5"),
        Metric("micro_f1", "Micro F1", "higher", description="F1 of all labels counted together, at 0.5"),
        Metric(
            "subset_accuracy",
            "Subset",
            "higher",
            "share",
            description="the share of images with all labels right, at 0.5",
        ),
        Metric("bce", "BCE", "lower", "number", "mean binary cross-entropy over images and labels, in nats"),
    )
    primary = "map"
    loss_options = ("label_smoothing", "class_weights", "mixup", "cutmix")

    def checked(
        self, names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]
    ) -> np.ndarray:
        """N×K integers, 0 or 1."""
        try:
            given = np.asarray(labels)
        except ValueError:
            raise ValueError(
                f"labels are rows of different lengths; {len(names)} zeros and ones for each image are expected"
            ) from None
        if given.shape[1:] != (len(names),):
            raise ValueError(
                f"labels have the shape {given.shape}; a row of {len(names)} zeros and ones for each image is expected"
            )
        whole = whole_numbers(given, describe, "labels are 0 or 1")
        wrong = np.argwhere((whole < 0) | (whole > 1))
        if len(wrong):
            example, label = wrong[0]
            raise ValueError(
                f"the label {names[label]} of {describe(int(example))} is {whole[example, label]}; it is 0 or 1"
            )
        return whole

    def check_splits(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> None:
        """Train has all labels that occur elsewhere."""
        for split, values in labels.items():
            if new := np.flatnonzero(values.any(0) & ~labels["train"].any(0)).tolist():
                raise ValueError(
                    f"{split} has the label {listed([str(names[each]) for each in new])}, which no image of train has; "
                    f"add some to train, or take it out of {split}"
                )

    def check_train(self, names: Sequence[str], labels: np.ndarray) -> None:
        """Some label is on some images, and not on others."""
        shares = labels.mean(0)
        if not ((shares > 0) & (shares < 1)).any():
            raise ValueError(f"the {len(labels)} training images all have the same labels")

    def notes(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> Iterator[str]:
        """Which labels no image of a split has."""
        for split, values in labels.items():
            if missing := np.flatnonzero(~values.any(0)).tolist():
                said = listed([str(names[each]) for each in missing])
                what = "nothing is learned of them" if split == "train" else "figures are over the labels that occur"
                yield f"no image of {split} has {len(missing)} of {len(names)} labels ({said}): {what}"

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Each image's rarest label; images without a label are a stratum of their own."""
        order = np.argsort(np.argsort(labels.sum(0), kind="stable"), kind="stable")
        rarest = np.where(labels == 1, order, labels.shape[1]).min(1)
        found: np.ndarray = rarest.astype(np.int64)
        return found

    def outputs(self, names: Sequence[str]) -> int:
        """One for each label."""
        return len(names)

    def described(self, names: Sequence[str]) -> str:
        """`10 labels (0, 1, …)`."""
        return f"{counted(len(names), 'label')} ({listed(names)})"

    def answer(self, names: Sequence[str], predicted: Sequence[float]) -> str:
        """The labels with a probability above 0.5."""
        return ", ".join(name for name, value in zip(names, predicted, strict=True) if value > 0.5) or "none"

    def statistics(self, names: Sequence[str], labels: np.ndarray) -> Statistics:
        """The share of training images that each label is on."""
        return {"shares": labels.mean(0).tolist()}

    def objective(self, names: Sequence[str], statistics: Statistics, options: LossOptions = PLAIN_LOSS) -> Objective:
        """Binary cross-entropy of each label."""
        return Labels(torch.tensor(statistics["shares"], dtype=torch.float64), options)


class Labels(Objective):
    """Sigmoids and binary cross-entropy.

    With `class_weights`, an image with a label counts (1 - share) / share of one without it.
    """

    def __init__(self, shares: torch.Tensor, options: LossOptions) -> None:
        self.outputs = len(shares)
        self._shares = shares.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        self._smoothing = options.label_smoothing
        self._weights = ((1 - self._shares) / self._shares).float() if options.class_weights else None

    def losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean over labels of the binary cross-entropy; smoothing moves labels towards one half."""
        if self._weights is not None and self._weights.device != outputs.device:
            self._weights = self._weights.to(outputs.device)
        wanted = labels.to(outputs.dtype) * (1 - self._smoothing) + self._smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none", pos_weight=self._weights).mean(1)

    def encoded(self, labels: torch.Tensor) -> torch.Tensor:
        """0 and 1."""
        return labels.float()

    def constant(self) -> torch.Tensor:
        """The logits of the labels' shares in train."""
        return torch.logit(self._shares).float()

    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """The labels' probabilities."""
        return outputs.float().sigmoid()

    def kept(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The labels, their probabilities, and the loss, which is taken from the logits."""
        losses = F.binary_cross_entropy_with_logits(outputs.float(), labels.float(), reduction="none")
        return {
            "labels": labels.to(torch.uint8),
            "probabilities": outputs.cpu().double().sigmoid(),  # in fp32, those of sure predictions would be equal
            "loss": losses.mean(1),
        }

    def scores(self, kept: Kept) -> dict[str, float | None]:
        """All figures; the mean average precision is over the labels that occur."""
        labels, probabilities = kept["labels"].long(), kept["probabilities"]
        right = (probabilities > 0.5) == (labels == 1)
        occurring = [value for value in self._by_label(kept) if value is not None]
        by_label = list(zip(probabilities.T, labels.T, strict=True))
        return {
            "map": sum(occurring) / len(occurring) if occurring else None,
            "macro_f1": float(torch.stack([binary_f1_score(*each) for each in by_label]).mean()),
            "micro_f1": float(binary_f1_score(probabilities.flatten(), labels.flatten())),
            "subset_accuracy": float(right.all(1).double().mean()),
            "bce": float(kept["loss"].double().mean()),
        }

    def by_target(self, kept: Kept) -> dict[str, list[float | None]]:
        """The average precision of each label."""
        return {"average_precision": self._by_label(kept)}

    def example_scores(self, kept: Kept) -> torch.Tensor | None:
        """Jackknife pseudo-values of the mean average precision: it is no mean over examples."""
        return pseudo_values(kept["probabilities"], kept["labels"] == 1)

    def learned_nothing(self, kept: Kept) -> bool:
        """Whether the order of the images is as good as a random one, whose average precision is a label's share."""
        found = self.scores(kept)["map"]
        shares = kept["labels"].double().mean(0)
        return found is not None and found <= CHANCE * float(shares[shares > 0].mean())

    def _by_label(self, kept: Kept) -> list[float | None]:
        labels = kept["labels"].long()
        return [
            float(binary_average_precision(scores, label)) if label.any() else None
            for scores, label in zip(kept["probabilities"].T, labels.T, strict=True)
        ]
