"""Regression: one number or several for each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torchmetrics.functional import mean_absolute_error, mean_squared_error, r2_score

from tlbench.contracts.task import PLAIN_LOSS, Kept, LossOptions, Metric, Objective, Statistics, Task
from tlbench.toolkit import counted, listed

STRATA = 10
"""Groups of about equal size, by the first target: splits have the same share of each."""
NOTHING_LEARNED = 0.05
"""Up to this share of the variance explained, a model counts as no better than the mean."""


class Regression(Task):
    """Targets are numbers, N×K: squared error of targets standardised on train."""

    metrics = (
        Metric("mae", "MAE", "lower", "number", "mean absolute error, in the targets' unit; the mean over targets"),
        Metric("rmse", "RMSE", "lower", "number", "root of the mean squared error; the mean over targets"),
        Metric("r2", "R²", "higher", "number", "share of the variance explained; the mean over targets"),
        Metric("mse", "MSE", "lower", "number", "mean squared error of standardised targets: the loss"),
    )
    primary = "mae"

    def checked(
        self, names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]
    ) -> np.ndarray:
        """N×K finite floats; N numbers are one target."""
        try:
            with np.errstate(over="ignore"):
                given = np.asarray(labels, dtype=np.float32)
            finite = bool(np.isfinite(given).all())
        except (TypeError, ValueError):
            finite = False
        if not finite:
            raise ValueError(_first_wrong(names, labels, describe))
        given = given[:, None] if given.ndim == 1 else given
        if given.shape[1:] != (len(names),):
            raise ValueError(f"targets have the shape {given.shape}; {len(names)} for each image are expected")
        return given

    def check_train(self, names: Sequence[str], labels: np.ndarray) -> None:
        """Each target varies."""
        for name, values in zip(names, labels.T, strict=True):
            if len(values) and values.min() == values.max():
                raise ValueError(f"the target {name} is {values[0]:g} for all {len(labels)} training images")

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Tenths by the first target."""
        edges = np.quantile(labels[:, 0], np.linspace(0, 1, STRATA + 1)[1:-1])
        found: np.ndarray = np.searchsorted(edges, labels[:, 0], side="right").astype(np.int64)
        return found

    def outputs(self, names: Sequence[str]) -> int:
        """One for each target."""
        return len(names)

    def described(self, names: Sequence[str]) -> str:
        """`1 target (angle)`."""
        return f"{counted(len(names), 'target')} ({listed(names)})"

    def answer(self, names: Sequence[str], predicted: Sequence[float]) -> str:
        """The targets: `angle 12.3`."""
        return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, predicted, strict=True))

    def statistics(self, names: Sequence[str], labels: np.ndarray) -> Statistics:
        """Mean and standard deviation of each target, and its median."""
        values = labels.astype(np.float64)
        return {
            "mean": values.mean(0).tolist(),
            "deviation": values.std(0).tolist(),
            "median": np.median(values, axis=0).tolist(),
        }

    def objective(self, names: Sequence[str], statistics: Statistics, options: LossOptions = PLAIN_LOSS) -> Objective:
        """Squared error."""
        return Numbers(*(torch.tensor(statistics[each]).float() for each in ("mean", "deviation", "median")))


def _first_wrong(names: Sequence[str], labels: Sequence[object] | np.ndarray, describe: Callable[[int], str]) -> str:
    """What is wrong with the first example that has not as many finite numbers as there are targets."""
    for example, row in enumerate(labels):
        values = list(row) if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str) else [row]
        if len(values) != len(names):
            return f"{describe(example)} has {counted(len(values), 'target')}, and {len(names)} are expected"
        for name, value in zip(names, values, strict=True):
            if not _is_finite(value):
                shown = value.item() if isinstance(value, np.generic) else value
                return f"the target {name} of {describe(example)} is {shown}; it must be a finite number"
    return "targets are not numbers"


def _is_finite(value: object) -> bool:
    try:
        return abs(float(value)) <= float(np.finfo(np.float32).max)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


class Numbers(Objective):
    """Mean squared error of standardised targets; outputs are standardised, predictions in the targets' unit."""

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor, median: torch.Tensor) -> None:
        self.outputs = len(mean)
        self._mean, self._deviation, self._median = mean, deviation, median

    def losses(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean over targets of the squared error."""
        return (outputs - self.encoded(labels)).square().mean(1)

    def encoded(self, labels: torch.Tensor) -> torch.Tensor:
        """Standardised on train."""
        self._move(labels.device)
        return (labels - self._mean) / self._deviation

    def constant(self) -> torch.Tensor:
        """The median of train, standardised: it has the least mean absolute error."""
        return ((self._median - self._mean) / self._deviation).cpu()

    def predicted(self, outputs: torch.Tensor) -> torch.Tensor:
        """In the targets' own unit."""
        self._move(outputs.device)
        return outputs.float() * self._deviation + self._mean

    def kept(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The targets, the predictions, and the loss."""
        return {
            "labels": labels,
            "predicted": self.predicted(outputs),
            "loss": (outputs.float() - self.encoded(labels)).square().mean(1),
        }

    def scores(self, kept: Kept) -> dict[str, float | None]:
        """All figures; of several targets, means over them."""
        predicted, labels = kept["predicted"].double(), kept["labels"].double()
        squared = mean_squared_error(predicted, labels, num_outputs=self.outputs)
        return {
            "mae": float(mean_absolute_error(predicted, labels)),
            "rmse": float(squared.sqrt().mean()),
            "r2": float(r2_score(predicted, labels)) if len(labels) > 1 else None,
            "mse": float(kept["loss"].double().mean()),
        }

    def by_target(self, kept: Kept) -> dict[str, list[float | None]]:
        """The mean absolute error of each target."""
        return {"mae": (kept["predicted"].double() - kept["labels"].double()).abs().mean(0).tolist()}

    def example_scores(self, kept: Kept) -> torch.Tensor:
        """The absolute error of each, averaged over targets."""
        return (kept["predicted"] - kept["labels"]).abs().mean(1)

    def learned_nothing(self, kept: Kept) -> bool:
        """Whether no more of the variance is explained than by the mean."""
        found = self.scores(kept)["r2"]
        return found is not None and found <= NOTHING_LEARNED

    def _move(self, device: torch.device) -> None:
        if self._mean.device != device:
            self._mean, self._deviation, self._median = (
                each.to(device) for each in (self._mean, self._deviation, self._median)
            )
