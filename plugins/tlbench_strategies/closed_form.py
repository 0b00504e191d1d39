"""Heads that are fitted to the frozen backbone's features, not trained by gradient steps on batches.

Nothing but the training images decides them, so the seed draws a share of these (`subset`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tlbench import Options, Phase, Solve, Solved, strategy
from tlbench_strategies.linear_heads import (
    BUILT_IN,
    NEVER,
    SINGLE_LABEL,
    STRENGTHS,
    arrays,
    linear,
    of_scikit_learn,
    ridges,
    swept,
)

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.fitting import Fitting
    from tlbench.contracts.model import TransferModel


class Subset(Options):
    """What all closed forms share."""

    subset: float = Field(0.9, gt=0, le=1, description="the share of the training images that the seed draws")


def ends_in_linear(model: TransferModel, _options: Options) -> str | None:
    """Why the features that the head is given are not available, if so."""
    if model.linear_head is not None:
        return None
    kinds = [type(model.module.get_submodule(path)) for path in model.head_paths]
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
    tasks=SINGLE_LABEL,
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


class RidgeOptions(Subset):
    """How strongly the weights are held down."""

    alpha: float | None = Field(None, gt=0, description="strength; none: the best on val of powers of 10, 1e-2 to 1e4")


@strategy(
    "ridge",
    learning_rates={},
    tasks=BUILT_IN,
    serves=ends_in_linear,
    options=RidgeOptions,
    paper="Hoerl & Kennard 1970, Ridge Regression; for few-shot transfer: Bertinetto et al. 2019, arXiv:1805.08136",
    when="an answer is wanted at once",
)
def ridge(model: TransferModel, options: RidgeOptions) -> Iterator[Phase]:
    """Fit a ridge regression to labels of ±1 or to targets, its strength chosen on val.

    One class for each image: scikit-learn's RidgeClassifier. Several labels, or numbers: its Ridge, of labels of ±1 or
    of standardised targets. Bertinetto et al. learn the strength, and the features with it, from many tasks.
    """
    strengths = STRENGTHS if options.alpha is None else (options.alpha,)
    yield Solve(lambda data: ridges(data, strengths), options.subset)


@strategy(
    "lda",
    learning_rates={},
    tasks=SINGLE_LABEL,
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
        return Solved(of_scikit_learn(fitted, data.objective.outputs))

    yield Solve(fit, options.subset)


@strategy(
    "prototype",
    learning_rates={},
    tasks=SINGLE_LABEL,
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
        classes = data.objective.outputs
        present = labels.bincount(minlength=classes) > 0
        means = torch.stack([features[labels == place].double().mean(0) for place in range(classes)])
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


def rebuild_neighbours(model: TransferModel, options: Neighbours, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """A head with room for as many training features."""
    import torch

    (path,) = model.head_paths
    number, width = shapes[f"{path}.features"]
    classes = model.module.get_submodule(path).out_features
    assert isinstance(classes, int)
    model.replace_head(neighbours(torch.zeros(number, width), torch.zeros(number, dtype=torch.long), classes, options))


def neighbours(features: torch.Tensor, labels: torch.Tensor, classes: int, options: Neighbours) -> torch.nn.Module:
    """The head that lets the nearest of some features vote."""
    from tlbench_strategies.neighbours import NearestNeighbours

    temperature = options.temperature if options.metric == "cosine" else None
    return NearestNeighbours(features, labels, classes, options.k, options.metric, temperature)


@strategy(
    "knn",
    rebuild=rebuild_neighbours,
    learning_rates={},
    tasks=SINGLE_LABEL,
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
        return Solved(neighbours(data.train.features, data.train.labels, data.objective.outputs, options))

    yield Solve(fit, options.subset)


STRATEGIES = (linear_probe, ridge, lda, prototype, knn)
