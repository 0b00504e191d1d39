"""Everything trained on smoothed images: by finite elements, and by a Gaussian as the simple rival."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from tlbench import Options, Phase, Rewrite, Train, strategy
from tlbench.contracts import Rates

if TYPE_CHECKING:
    import torch

    from tlbench.contracts.model import TransferModel

    Smooth = Callable[[torch.Tensor, float | torch.Tensor], torch.Tensor]

FULL: Rates = {
    "adamw": {"cnn": 3e-4, "cnn-without-norm": 1e-4, "transformer": 5e-5},
    "sgd": {"cnn": 0.03, "cnn-without-norm": 1e-3, "transformer": 3e-3},
}
"""Those of `full`, which both strategies are without smoothing; a test holds them to it."""

Anneal = Annotated[
    Literal["none", "linear", "cosine"],
    Field(description="none: the model smooths whatever it is given; else in training alone, falling to 0 by its end"),
]
Stages = Annotated[
    tuple[int, ...] | None,
    Field(description="stages whose feature maps are smoothed, too: 0 is the first, -1 the last; none: images alone"),
]


class GridSmooth(Options):
    """How strongly, in what elements, where, and how long."""

    strength: float = Field(0.5, ge=0, allow_inf_nan=False, description="lambda, in squared pixels: the cost of slopes")
    element: float = Field(1.0, ge=1, allow_inf_nan=False, description="width of the elements, in pixels")
    anneal: Anneal = "none"
    stages: Stages = None

    @model_validator(mode="after")
    def _vanishes(self) -> GridSmooth:
        if self.anneal != "none" and self.element != 1:
            raise ValueError(
                f"element={self.element:g} and anneal={self.anneal} exclude each other: elements wider than a pixel "
                f"smooth at strength 0, too; leave one of them out"
            )
        return self


class GaussianBlur(Options):
    """How strongly, where, and how long."""

    sigma: float = Field(1.0, ge=0, allow_inf_nan=False, description="the Gaussian's standard deviation, in pixels")
    anneal: Anneal = "none"
    stages: Stages = None


def has_the_stages(model: TransferModel, options: GridSmooth | GaussianBlur) -> str | None:
    """Why some stages can't be smoothed, if so."""
    if not options.stages:
        return None
    if model.family == "transformer":
        return "stages= smooths feature maps N×C×H×W, and stages of transformers and the like give tokens; leave it out"
    number = len(model.stages)
    unknown = [stage for stage in options.stages if not -number <= stage < number]
    return f"there is no stage {unknown[0]}; the model has {number} stages, from 0 to {number - 1}" if unknown else None


def by_elements(options: GridSmooth) -> Smooth:
    """Smoothing by the screened Poisson problem."""
    from tlbench_gridsmooth import elements

    return lambda values, strength: elements.smoothed(values, strength, options.element)


def by_a_gaussian(options: GaussianBlur) -> Smooth:
    """Smoothing by a convolution, of the width that the strength at the start needs."""
    from tlbench_gridsmooth import gaussian

    radius = gaussian.radius_of(options.sigma)
    return lambda values, sigma: gaussian.blurred(values, sigma, radius)


def rebuild_grid(model: TransferModel, options: GridSmooth, _shapes: object) -> None:
    """Smooth again what the model is given, where that is a part of it."""
    keep(model, options, by_elements(options), options.strength)


def rebuild_gaussian(model: TransferModel, options: GaussianBlur, _shapes: object) -> None:
    """Blur again what the model is given, where that is a part of it."""
    keep(model, options, by_a_gaussian(options), options.sigma)


def keep(model: TransferModel, options: GridSmooth | GaussianBlur, smooth: Smooth, strength: float) -> None:
    """Make smoothing of one strength a part of the model, unless it is for training alone."""
    from tlbench_gridsmooth.inserted import insert

    if options.anneal == "none":
        insert(model, lambda values: smooth(values, strength), options.stages or ())


def smoothed_training(
    model: TransferModel, options: GridSmooth | GaussianBlur, smooth: Smooth, strength: float
) -> Iterator[Phase]:
    """Train everything behind smoothing of one strength, which stays, or of one that falls and is taken away."""
    from tlbench_gridsmooth.inserted import Falling, insert

    if options.anneal == "none":
        yield Rewrite(lambda model: keep(model, options, smooth, strength))
        yield Train(model.everything)
        return
    falling = Falling(model, strength, options.anneal)
    handles = insert(
        model, lambda values: smooth(values, falling.value) if falling.on else values, options.stages or ()
    )
    yield Train(model.everything, after_step=falling.after_step)
    for handle in handles:
        handle.remove()


@strategy(
    "grid-smooth",
    learning_rates=FULL,
    options=GridSmooth,
    serves=has_the_stages,
    rebuild=rebuild_grid,
    paper="Bhat et al. 2008, Fourier Analysis of the 2D Screened Poisson Equation for Gradient Domain Problems, ECCV; "
    "annealed, with Gaussians: Sinha, Garg & Larochelle 2020, Curriculum By Smoothing, arXiv:2003.01367",
    when="test images are noisier than those that are trained on, or fine detail is learned too early",
)
def grid_smooth(model: TransferModel, options: GridSmooth) -> Iterator[Phase]:
    """Train everything on images smoothed as fields of bilinear finite elements by the screened Poisson problem.

    The field that an image becomes is nearest to it where the integral of its squared slopes costs lambda; a wave of
    frequency w is divided by 1 + lambda w². With `anneal=none`, smoothing is a part of the model, in training, at test
    and when it is saved and loaded. With `anneal=linear` or `cosine`, it is a curriculum: the strength falls to 0 over
    the steps of training, what is validated, tested and saved is the plain backbone, and the record has the strength as
    a curve. With `stages=0+1`, the feature maps that these stages give are smoothed in the same way, in pixels of their
    own. With `strength=0`, it is full.
    """
    if options.strength == 0 and options.element == 1:
        yield Train(model.everything)
    else:
        yield from smoothed_training(model, options, by_elements(options), options.strength)


@strategy(
    "gaussian-blur",
    learning_rates=FULL,
    options=GaussianBlur,
    serves=has_the_stages,
    rebuild=rebuild_gaussian,
    paper="Sinha, Garg & Larochelle 2020, Curriculum By Smoothing, arXiv:2003.01367, which anneals it on feature maps",
    when="to see whether grid-smooth is worth more than the simple thing",
)
def gaussian_blur(model: TransferModel, options: GaussianBlur) -> Iterator[Phase]:
    """Train everything on images blurred by a Gaussian: the simple rival of grid-smooth, with the same schedule.

    Both damp slow waves alike where sigma² is 2 · strength; a Gaussian damps fast ones much more. With `sigma=0`, it is
    full.
    """
    if options.sigma == 0:
        yield Train(model.everything)
    else:
        yield from smoothed_training(model, options, by_a_gaussian(options), options.sigma)
