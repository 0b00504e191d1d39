"""A task: what is predicted of an image, how it is learned, and what a prediction is worth.

This module imports no torch, so that registering costs nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch

Better = Literal["higher", "lower"]
Unit = Literal["share", "fraction", "number", "seconds", "bytes", "count", "per-second", "multiple", "ms", "joules"]
"""What a figure is, and how it is written: a share of the examples and another fraction as per cent, and so on."""
Statistics = Mapping[str, Sequence[float]]
"""What a task keeps of the training targets: it stands in a saved model, so it is JSON."""
Kept = Mapping[str, "torch.Tensor"]
"""What is kept of N predictions: tensors by name, each with N rows; `loss` (N, without smoothing) is one of them."""
LossOption = Literal["label_smoothing", "class_weights", "mixup", "cutmix"]
"""Options of a run that change the loss, or need labels that can be averaged."""


def merit(better: Better, value: float | None) -> float:
    """A metric's value, the more the better: the negative of one that had better be low, the least where it is None."""
    if value is None:
        return -math.inf
    return value if better == "higher" else -value


@dataclass(frozen=True)
class Metric:
    """A figure of a model's predictions for a split: a column of every report.

    `unit` is `share` for a share of the examples, whose interval stays in 0..1, `fraction` for what else lies in
    0..1, `number` for what has the targets' own unit, or none.
    """

    name: str
    heading: str
    better: Better
    unit: Unit = "fraction"
    description: str = ""


@dataclass(frozen=True)
class ExtraMetric:
    """A metric that a plugin adds to tasks, which are named as they are registered (`single-label`).

    `compute` makes it of what the task keeps of a split's predictions; None where it can't be said.
    """

    metric: Metric
    tasks: tuple[str, ...]
    compute: Callable[[Kept], float | None]


@dataclass(frozen=True)
class LossOptions:
    """What a protocol asks of the training loss.

    `label_smoothing` is the share of a label that is spread over all classes; with `class_weights`, all classes count
    alike, however many examples each has.
    """

    label_smoothing: float = 0.0
    class_weights: bool = False


PLAIN_LOSS = LossOptions()


class Objective(ABC):
    """A task on one dataset: the loss, and what the outputs of a model mean.

    `outputs` is the width of the head.
    """

    outputs: int

    @abstractmethod
    def losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The training loss of each example: N×outputs and labels (or N×outputs of `encoded` ones) to N."""

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """What a training step minimises."""
        return self.losses(outputs, labels).mean()

    @abstractmethod
    def encoded(self, labels: torch.Tensor) -> torch.Tensor:
        """Labels as the outputs should be, N×outputs of floats: one-hot, 0 and 1, or standardised targets."""

    @abstractmethod
    def constant(self) -> torch.Tensor:
        """The outputs (`outputs` numbers) of the best prediction that knows nothing of an image: the trivial baseline.

        The primary metric of it is the chance level.
        """

    @abstractmethod
    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """Outputs as a person wants them, N×names: probabilities, or targets in their own unit."""

    @abstractmethod
    def kept(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """What is kept of N predictions: all that the metrics need, `labels` and `loss` among it.

        Reports show mistakes of classes (`labels` and `predicted` are N integers, `confidence` is in 0..1), of labels
        (`labels` and `probabilities` are N×names) and of numbers (`labels` and `predicted` are N×names).
        """

    @abstractmethod
    def scores(self, kept: Kept) -> dict[str, float | None]:
        """The task's metrics of the predictions for a split, by name; None where one can't be said."""

    def by_target(self, kept: Kept) -> dict[str, list[float | None]]:
        """Metrics of each class or target by itself, where that is a question; None where it does not occur."""
        return {}

    def example_scores(self, kept: Kept) -> torch.Tensor | None:
        """Each example's share in the primary metric (N), whose mean it is: for paired comparisons.

        Of a metric that is no mean, these are its jackknife pseudo-values (Tukey 1958); None where there are none.
        """
        return None

    def learned_nothing(self, kept: Kept) -> bool:
        """Whether predictions are no better than chance."""
        return False


class Task(ABC):
    """What is predicted: the check of labels, the width of the head, the loss, and the metrics.

    A plugin registers a task by its name, and a dataset names it. `metrics` are what `Objective.scores` gives,
    `primary` the name of the one that models are chosen and compared by. `loss_options` are the options of a run that
    the task knows; with another one, a run is refused before it begins.

    Labels of a split are one array: N integers, or N×K integers or floats. `names` are the dataset's `classes`, which
    name classes or targets.

    Dense outputs fit as follows. The labels of a segmentation are masks, N×S×S integers, which lie in an array file
    beside the images; a `Split` gives one by `label(i)`, and it is cropped and resized together with its image, by
    nearest neighbour. `losses` averages over an image's pixels and upsamples the outputs N×K×s×s to the masks. `kept`
    has counts of pixels by class (true positives, predicted, occurring: N×K×3) and no masks, so that the mean
    intersection over union is a function of it. `strata` is the rarest class of an image, `outputs` the number of
    classes. Nothing outside of the task and the data room needs to know.
    """

    metrics: tuple[Metric, ...]
    primary: str
    loss_options: Collection[LossOption] = ()

    @abstractmethod
    def checked(
        self, names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]
    ) -> np.ndarray:
        """The labels of a split as an array; raises ValueError that names the first wrong one by `describe`."""

    def check_splits(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> None:  # noqa: B027
        """Raise ValueError where the dataset's own val or test ask for what its train does not have."""

    def check_train(self, names: Sequence[str], labels: np.ndarray) -> None:  # noqa: B027
        """Raise ValueError where nothing can be learned of the training labels as they are used."""

    def notes(self, names: Sequence[str], labels: Mapping[str, np.ndarray]) -> Iterator[str]:
        """What a person should know of the labels of the splits as they are used, a sentence each."""
        return iter(())

    @abstractmethod
    def strata(self, labels: np.ndarray) -> np.ndarray:
        """An integer for each example: splits and subsets have the same shares of each."""

    @abstractmethod
    def outputs(self, names: Sequence[str]) -> int:
        """The width of the head."""

    @abstractmethod
    def described(self, names: Sequence[str]) -> str:
        """The names in words, for the person who starts a run: `10 classes (0, 1, 2, …)`."""

    @abstractmethod
    def answer(self, names: Sequence[str], predicted: Sequence[float]) -> str:
        """What is predicted of one image, in words, from a row of `Objective.predicted`."""

    @abstractmethod
    def statistics(self, names: Sequence[str], labels: np.ndarray) -> Statistics:
        """What the objective must know of the training labels: means, shares of classes."""

    @abstractmethod
    def objective(self, names: Sequence[str], statistics: Statistics, options: LossOptions = PLAIN_LOSS) -> Objective:
        """The task on one dataset."""

    @property
    def primary_metric(self) -> Metric:
        """The metric that models are chosen and compared by."""
        return next(each for each in self.metrics if each.name == self.primary)
