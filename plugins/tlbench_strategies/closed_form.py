"""Heads that are fitted to the frozen backbone's features, not trained by gradient steps on batches.

Nothing but the training images decides them, so the seed draws a share of these (`subset`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tlbench import Options, Phase, Solve, Solved, strategy

if TYPE_CHECKING:
    import numpy as np
    import torch

    from tlbench.contracts.model import TransferModel
    from tlbench.contracts.phases import Examples, Fitting

STRENGTHS = tuple(10.0**power for power in range(-2, 5))


class Subset(Options):
    """What all closed forms share."""

    subset: float = Field(0.9, gt=0, le=1, description="the share of the training images that the seed draws")


def ends_in_linear(model: TransferModel, _options: Options) -> str | None:
    """Why the features that the head is given are not available, if so."""
    from torch import nn

    kinds = [type(model.module.get_submodule(path)) for path in model.head_paths]
    if kinds == [nn.Linear]:
        return None
    described = ", ".join(f"{path} ({kind.__name__})" for path, kind in zip(model.head_paths, kinds, strict=True))
    return f"its head is not one linear layer: {described}"


class Probe(Subset):
    """How strongly the weights are held down."""

    l2: float | None = Field(None, gt=0, description="strength; none: the best on val of powers of 10, 1e-2 to 1e4")

    @property
    def strengths(self) -> Sequence[float]:
        """Those to try."""
        return STRENGTHS if self.l2 is None else (self.l2,)


@strategy(
    "linear-probe",
    learning_rates={},
    serves=ends_in_linear,
    options=Probe,
    paper="Kornblith, Shlens & Le 2019, Do Better ImageNet Models Transfer Better? arXiv:1805.08974, A.4",
    when="backbones are compared: no rate, no schedule, no number of epochs to choose",
)
def linear_probe(model: TransferModel, options: Probe) -> Iterator[Phase]:
    """Fit a multinomial logistic regression to the features by L-BFGS, its L2 strength chosen on val.

    Minimises the sum of cross-entropies + l2/2 · the squared norm of the weights (scikit-learn's C is 1/l2). The paper
    tries 45 strengths, and fits the best again to train and val together; here it is 7, and val is for choices alone.
    """
    yield Solve(lambda data: swept(data, options.strengths), options.subset)


def swept(data: Fitting, strengths: Sequence[float]) -> Solved:
    """The logistic regression that is best on val of several strengths, each starting from the stronger one's end.

    Of equals, the stronger.
    """
    start: np.ndarray | None = None
    heads = []
    spanned = span(data.train)
    for strength in sorted(strengths, reverse=True):
        head, start = logistic_regression(spanned, data.classes, strength, start)
        heads.append((strength, head))
    return best_on_val(data, "l2", heads)


def best_on_val(data: Fitting, option: str, heads: Sequence[tuple[float, torch.nn.Linear]]) -> Solved:
    """Of heads fitted with several values of an option the best on val; of equals, that with the larger value."""
    tried = [(accuracy(head, data.val), value, head) for value, head in heads]
    best = max(tried, key=lambda each: each[:2])
    candidates = [{option: value, "val_accuracy": score} for score, value, _ in tried]
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


class RidgeOptions(Subset):
    """How strongly the weights are held down."""

    alpha: float | None = Field(None, gt=0, description="strength; none: the best on val of powers of 10, 1e-2 to 1e4")


@strategy(
    "ridge",
    learning_rates={},
    serves=ends_in_linear,
    options=RidgeOptions,
    paper="Hoerl & Kennard 1970, Ridge Regression; for few-shot transfer: Bertinetto et al. 2019, arXiv:1805.08136",
    when="an answer is wanted at once",
)
def ridge(model: TransferModel, options: RidgeOptions) -> Iterator[Phase]:
    """Fit a ridge regression to labels of ±1 (scikit-learn's RidgeClassifier), its strength chosen on val.

    Bertinetto et al. learn the strength, and the features with it, from many tasks.
    """
    strengths = STRENGTHS if options.alpha is None else (options.alpha,)

    def fit(data: Fitting) -> Solved:
        from sklearn.linear_model import RidgeClassifier

        features, labels = arrays(data.train)
        heads = [
            (alpha, of_scikit_learn(RidgeClassifier(alpha=alpha).fit(features, labels), data.classes))
            for alpha in strengths
        ]
        return best_on_val(data, "alpha", heads)

    yield Solve(fit, options.subset)


@strategy(
    "lda",
    learning_rates={},
    serves=ends_in_linear,
    options=Subset,
    paper="Fisher 1936; Ledoit & Wolf 2004 for the covariance; on deep features: Hayes & Kanan 2020, arXiv:1909.01520",
    when="there are few images of each class",
)
def lda(model: TransferModel, options: Subset) -> Iterator[Phase]:
    """Fit a linear discriminant analysis, its covariance shrunk by the Ledoit-Wolf formula (scikit-learn's).

    Hayes & Kanan shrink it by a constant, and update it image by image.
    """

    def fit(data: Fitting) -> Solved:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        features, labels = arrays(data.train)
        fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features, labels)
        return Solved(of_scikit_learn(fitted, data.classes))

    yield Solve(fit, options.subset)


@strategy(
    "prototype",
    learning_rates={},
    serves=ends_in_linear,
    options=Subset,
    paper="Mensink et al. 2013, Distance-based image classification; Snell et al. 2017, arXiv:1703.05175, eq. 2",
    when="classes come and go: a class is only the mean of its features",
)
def prototype(model: TransferModel, options: Subset) -> Iterator[Phase]:
    """Take the class whose mean feature is nearest.

    Distances are Euclidean, on the features as they are; Mensink et al. learn the metric, Snell et al. the features.
    """

    def fit(data: Fitting) -> Solved:
        import torch

        features, labels = data.train.features, data.train.labels
        present = labels.bincount(minlength=data.classes) > 0
        means = torch.stack([features[labels == place].double().mean(0) for place in range(data.classes)])
        means = torch.where(present[:, None], means, 0.0)
        offsets = torch.where(present, -means.square().sum(1), NEVER)
        return Solved(linear(2 * means, offsets))  # -|x - m|² = 2 m·x - |m|² - |x|², and |x|² is the same for all

    yield Solve(fit, options.subset)


class Neighbours(Subset):
    """How many vote, and how."""

    k: int = Field(20, ge=1, description="how many neighbours vote")
    metric: Literal["cosine", "euclidean"] = Field("cosine", description="what is near")
    temperature: float | None = Field(
        0.07, gt=0, description="a vote counts exp(similarity / temperature); with euclidean, all count alike"
    )


@strategy(
    "knn",
    learning_rates={},
    serves=ends_in_linear,
    options=Neighbours,
    paper="Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination, arXiv:1805.01978",
    when="features themselves are judged: nothing is fitted",
)
def knn(model: TransferModel, options: Neighbours) -> Iterator[Phase]:
    """Let the k nearest training images vote, each by how near it is.

    The paper takes k = 200 of ImageNet's 1.3 million images; the default here is for small training sets.
    """

    def fit(data: Fitting) -> Solved:
        from tlbench_strategies.neighbours import NearestNeighbours

        temperature = options.temperature if options.metric == "cosine" else None
        train = data.train
        return Solved(
            NearestNeighbours(train.features, train.labels, data.classes, options.k, options.metric, temperature)
        )

    yield Solve(fit, options.subset)


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


def accuracy(head: torch.nn.Module, examples: Examples) -> float:
    """The share of examples that a head predicts correctly."""
    import torch

    with torch.inference_mode():
        predicted = head.to(examples.features.device)(examples.features).argmax(1)
    return float((predicted == examples.labels).double().mean())


def arrays(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Features (fp64) and labels for scikit-learn."""
    return examples.features.double().cpu().numpy(), examples.labels.cpu().numpy()


def of_scikit_learn(fitted: object, classes: int) -> torch.nn.Linear:
    """The head of a fitted linear classifier, whose one row for two classes becomes two."""
    import numpy as np
    import torch

    coefficients = torch.from_numpy(np.atleast_2d(fitted.coef_))  # type: ignore[attr-defined]
    offsets = torch.from_numpy(np.atleast_1d(fitted.intercept_))  # type: ignore[attr-defined]
    if len(coefficients) == 1:
        coefficients, offsets = torch.cat([-coefficients, coefficients]) / 2, torch.cat([-offsets, offsets]) / 2
    weight = torch.zeros(classes, coefficients.shape[1], dtype=coefficients.dtype)
    bias = torch.full((classes,), NEVER, dtype=offsets.dtype)
    present = torch.from_numpy(fitted.classes_)  # type: ignore[attr-defined]
    weight[present], bias[present] = coefficients, offsets
    return linear(weight, bias)


STRATEGIES = (linear_probe, ridge, lda, prototype, knn)
