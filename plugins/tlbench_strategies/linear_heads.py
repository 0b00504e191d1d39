"""Linear heads fitted to features: logistic and ridge regression, their strength chosen on val."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlbench import Solved
from tlbench.contracts.task import merit

if TYPE_CHECKING:
    import numpy as np
    import torch

    from tlbench.contracts.fitting import Examples, Fitting

SINGLE_LABEL = ("single-label",)
BUILT_IN = ("single-label", "multi-label", "regression")
"""Tasks that a ridge regression can be fitted to."""
STRENGTHS = tuple(10.0**power for power in range(-2, 5))


def swept(data: Fitting, strengths: Sequence[float]) -> Solved:
    """The logistic regression that is best on val of several strengths, each starting from the stronger one's end.

    Of equals, the stronger.
    """
    start: np.ndarray | None = None
    heads = []
    spanned = span(data.train)
    for strength in sorted(strengths, reverse=True):
        head, start = logistic_regression(spanned, data.objective.outputs, strength, start)
        heads.append((strength, head))
    return best_on_val(data, "l2", heads)


def fitted(data: Fitting, strengths: Sequence[float]) -> Solved:
    """A logistic regression where one class of several is predicted, else a ridge regression."""
    return swept(data, strengths) if data.train.labels.ndim == 1 else ridges(data, strengths)


def best_on_val(data: Fitting, option: str, heads: Sequence[tuple[float, torch.nn.Linear]]) -> Solved:
    """Of heads fitted with several values of an option the best on val; of equals, that with the larger value."""
    tried = [(data.merit(head), value, head) for value, head in heads]
    best = max(tried, key=lambda each: each[:2])
    better, figure = data.primary.better, f"val_{data.primary.name}"
    candidates = [{option: value, figure: merit(better, score)} for score, value, _ in tried]
    return Solved(best[2], {option: best[1]}, candidates if len(tried) > 1 else ())


@dataclass(frozen=True)
class Spanned:
    """Features less their `centre`, in the `axes` that they span (rank×D), and their labels: nothing is lost.

    `lengths` (rank) are the norms of `centred`'s columns, which are orthogonal. The solution is the same, and the way
    to it shorter: weights lie in what the images span.
    """

    centred: torch.Tensor
    axes: torch.Tensor
    lengths: torch.Tensor
    centre: torch.Tensor
    labels: torch.Tensor


def span(examples: Examples) -> Spanned:
    """Features in fp64 on their device (on the CPU where that has no fp64), in as many axes as they span."""
    import torch

    device = torch.device("cpu") if examples.features.device.type == "mps" else examples.features.device
    features, labels = examples.features.to(device).double(), examples.labels.to(device)
    centre = features.mean(0)
    left, lengths, axes = torch.linalg.svd(features - centre, full_matrices=False)
    return Spanned((left * lengths).contiguous(), axes, lengths, centre, labels)


def logistic_regression(
    spanned: Spanned, classes: int, l2: float, start: np.ndarray | None = None
) -> tuple[torch.nn.Linear, np.ndarray]:
    """Multinomial logistic regression by SciPy's L-BFGS, gradients in fp64 by PyTorch on the features' device.

    Each coordinate is in units of what the loss's curvature there is at the start, on average over classes: in these,
    all directions are about equally steep. Gives the head, and the flat solution for a next one to start from.
    """
    import numpy as np
    import torch
    import torch.nn.functional as F
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    centred, labels, device = spanned.centred, spanned.labels, spanned.labels.device
    count, width = centred.shape

    first = np.zeros((classes, width + 1)) if start is None else start
    units = 1 / np.sqrt(_curvature(spanned, torch.from_numpy(first).to(device), l2))

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = torch.from_numpy(flat.reshape(classes, width + 1) * units).to(device)
        weight = parameters[:, :width]
        scores = _scores(spanned, parameters)
        loss = F.cross_entropy(scores, labels, reduction="sum") + l2 / 2 * weight.square().sum()
        wrong = scores.softmax(1)
        wrong[torch.arange(count, device=device), labels] -= 1
        gradient = torch.cat([wrong.T @ centred + l2 * weight, wrong.sum(0)[:, None]], 1)
        return loss.item(), (gradient.cpu().numpy() * units).ravel()

    limits = {"maxiter": 1000, "gtol": 1e-3, "ftol": 1e-9}
    with threadpool_limits(1, user_api="blas"):  # SciPy's own threads wait busily while PyTorch's want the cores
        found = minimize(loss_and_gradient, (first / units).ravel(), jac=True, method="L-BFGS-B", options=limits)
    flat = found.x.reshape(classes, width + 1) * units
    solution = torch.from_numpy(flat).to(device)
    weight = solution[:, :width] @ spanned.axes
    return linear(weight, solution[:, width] - weight @ spanned.centre), flat


def _scores(spanned: Spanned, parameters: torch.Tensor) -> torch.Tensor:
    width = spanned.centred.shape[1]
    return spanned.centred @ parameters[:, :width].T + parameters[:, width]


def _curvature(spanned: Spanned, parameters: torch.Tensor, l2: float) -> np.ndarray:
    """The diagonal of the loss's second derivative (rank + 1), as if p(1 - p) were the same for all images."""
    import torch

    predicted = _scores(spanned, parameters).softmax(1)
    spread = (predicted * (1 - predicted)).mean().clamp(min=1e-6)
    of_bias = spread * len(spanned.labels)
    return torch.cat([spread * spanned.lengths.square() + l2, of_bias[None]]).cpu().numpy()


def ridges(data: Fitting, strengths: Sequence[float]) -> Solved:
    """The ridge regression that is best on val of several strengths; of equals, the stronger."""
    from sklearn.linear_model import Ridge, RidgeClassifier

    features, labels = arrays(data.train)
    outputs = data.objective.outputs
    if labels.ndim == 1:
        fits = ((alpha, RidgeClassifier(alpha=alpha).fit(features, labels)) for alpha in strengths)
        return best_on_val(data, "alpha", [(alpha, of_scikit_learn(fit, outputs)) for alpha, fit in fits])
    targets = data.objective.encoded(data.train.labels).double().cpu().numpy()
    if not data.train.labels.is_floating_point():
        targets = 2 * targets - 1
    found = ((alpha, Ridge(alpha=alpha).fit(features, targets)) for alpha in strengths)
    return best_on_val(data, "alpha", [(alpha, linear(*rows(fit))) for alpha, fit in found])


NEVER = -1e30
"""The logit of a class that has no training image."""


def linear(weight: torch.Tensor, bias: torch.Tensor) -> torch.nn.Linear:
    """A head of given tensors, in fp32."""
    import torch

    head = torch.nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head


def arrays(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Features (fp64) and labels for scikit-learn."""
    return examples.features.double().cpu().numpy(), examples.labels.cpu().numpy()


def rows(fit: object) -> tuple[torch.Tensor, torch.Tensor]:
    """The coefficients and offsets of a fitted linear model, a row for each output."""
    import numpy as np
    import torch

    found = np.atleast_2d(fit.coef_), np.atleast_1d(fit.intercept_)  # type: ignore[attr-defined]
    return torch.from_numpy(found[0]), torch.from_numpy(found[1])


def of_scikit_learn(fit: object, classes: int) -> torch.nn.Linear:
    """The head of a fitted linear classifier, whose one row for two classes becomes two."""
    import torch

    coefficients, offsets = rows(fit)
    if len(coefficients) == 1:
        coefficients, offsets = torch.cat([-coefficients, coefficients]) / 2, torch.cat([-offsets, offsets]) / 2
    weight = torch.zeros(classes, coefficients.shape[1], dtype=coefficients.dtype)
    bias = torch.full((classes,), NEVER, dtype=offsets.dtype)
    present = torch.from_numpy(fit.classes_)  # type: ignore[attr-defined]
    weight[present], bias[present] = coefficients, offsets
    return linear(weight, bias)
