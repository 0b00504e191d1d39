"""A task: what labels are, the loss, and the metrics. This one predicts counts, by Poisson regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tlbench import Dataset, LossOptions, Metric, Objective, Options, Split, Task
from tlbench.contracts.task import PLAIN_LOSS, Kept, Statistics

if TYPE_CHECKING:
    import numpy as np
    import torch

MOST = 4
"""Spots of an image."""


class Count(Task):
    """How many there are in an image. Labels are N integers from 0 on; the head gives the logarithm of the rate."""

    metrics = (
        Metric("count_error", "Count error", "lower", "number", "mean distance from the true count"),
        Metric("exact", "Exact", "higher", "share", "share of images whose rounded count is right"),
    )
    primary = "count_error"

    def checked(
        self, names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]
    ) -> np.ndarray:
        """N integers, none of them negative."""
        import numpy as np

        given = np.asarray(labels)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise ValueError(f"labels are {given.dtype} of the shape {given.shape}; a count has one integer an image")
        if (negative := np.flatnonzero(given < 0)).size:
            raise ValueError(f"the label of {describe(int(negative[0]))} is negative; counts are 0, 1, 2, …")
        return given.astype(np.int64)

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Splits have the same shares of each count."""
        return labels

    def outputs(self, names: Sequence[str]) -> int:
        """One, whatever is counted."""
        return 1

    def described(self, names: Sequence[str]) -> str:
        """`the count of spots`."""
        return f"the count of {names[0]}"

    def answer(self, names: Sequence[str], predicted: Sequence[float]) -> str:
        """`3 spots`."""
        return f"{predicted[0]:.0f} {names[0]}"

    def statistics(self, names: Sequence[str], labels: np.ndarray) -> Statistics:
        """The mean count of the training images."""
        return {"mean": [float(labels.mean())]}

    def objective(self, names: Sequence[str], statistics: Statistics, options: LossOptions = PLAIN_LOSS) -> Objective:
        """The Poisson model of a dataset."""
        return Poisson(statistics["mean"][0])


class Poisson(Objective):
    """Outputs are N×1 logarithms of rates; the loss is the negative log-likelihood of the counts."""

    outputs = 1

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The negative log-likelihood, less a constant of the label."""
        logarithm = outputs[:, 0]
        counts = labels[:, 0].exp() if labels.ndim == 2 else labels  # of two dimensions where they are encoded
        return logarithm.exp() - counts * logarithm

    def encoded(self, labels: torch.Tensor) -> torch.Tensor:
        """What the outputs should be: the logarithm, of half a spot where there is none."""
        return labels.clamp(min=0.5).log()[:, None]

    def constant(self) -> torch.Tensor:
        """The rate of all training images."""
        import torch

        return torch.tensor([max(self.mean, 1e-6)]).log()

    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """Rates, N×1."""
        return outputs.float().exp()

    def kept(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Counts and rates, N×1 as reports show numbers, and the loss."""
        loss = self.losses(outputs.float(), labels)
        return {"labels": labels[:, None].float(), "predicted": self.predicted(outputs), "loss": loss}

    def scores(self, kept: Kept) -> dict[str, float | None]:
        """Of all images of a split."""
        exact = kept["predicted"].round() == kept["labels"]
        return {"count_error": float(self.example_scores(kept).mean()), "exact": float(exact.float().mean())}

    def example_scores(self, kept: Kept) -> torch.Tensor:
        """The distance of each image, so that two models can be compared image by image."""
        return (kept["predicted"] - kept["labels"]).abs()[:, 0]


def make_count(_options: Options) -> Task:
    """The task."""
    return Count()


def make_spots(_options: Options) -> Dataset:
    """Images of the task."""
    import numpy as np

    def split(number: int, seed: int) -> Split:
        labels = np.arange(number) % (MOST + 1)
        return Split(labels, lambda place: draw_spots(int(labels[place]), (seed, place)))

    return Dataset(
        classes=("spots",),
        train=split(300, seed=0),
        test=split(100, seed=1),
        native_size=32,
        task="count",  # as it is registered
        domain="synthetic",
        licence="CC0-1.0",
        fingerprint="spots 1",
    )


def draw_spots(number: int, seed: tuple[int, int]) -> np.ndarray:
    """White spots of 4×4 pixels that don't touch, on dark noise, 32×32×3 of uint8."""
    import numpy as np

    random = np.random.default_rng(seed)
    image = random.integers(0, 60, (32, 32, 3), np.uint8)  # no two images are the same
    for cell in random.permutation(16)[:number]:
        row, column = 8 * (cell // 4) + 2, 8 * (cell % 4) + 2
        image[row : row + 4, column : column + 4] = 255
    return image
