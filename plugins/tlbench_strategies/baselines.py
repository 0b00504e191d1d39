"""What keeps a table honest: how far one comes without transfer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlbench import Backbone, Options, Phase, Preprocessing, Solve, Solved, strategy
from tlbench_strategies.closed_form import Probe, Subset, ends_in_linear
from tlbench_strategies.linear_heads import BUILT_IN, fitted, linear

if TYPE_CHECKING:
    from torch import nn

    from tlbench.contracts.fitting import Fitting
    from tlbench.contracts.model import TransferModel

IMAGE_STATS = "builtin/image-stats"


def build_image_stats(num_classes: int, *, image_size: int, pretrained: bool, channels: int = 3) -> nn.Module:
    """Means and deviations of an image's channels, and a linear head."""
    from tlbench_strategies.image_stats import ImageStats

    return ImageStats(num_classes, channels)


def image_stats_backbone(_options: Options) -> Backbone:
    """A backbone that knows two numbers of each channel of an image."""
    half = (0.5, 0.5, 0.5)
    return Backbone(build_image_stats, head="head", preprocessing=Preprocessing(half, half), any_channels=True)


@strategy(
    "majority",
    learning_rates={},
    options=Subset,
    pretrained=False,
    backbone=IMAGE_STATS,
    baseline=True,
    when="always: what takes no model at all",
)
def majority(model: TransferModel, options: Subset) -> Iterator[Phase]:
    """Predict the most frequent class, each label's share, or each target's median, whatever the image.

    It is the task's best constant prediction for the training images (one row for each dataset).
    """

    def fit(data: Fitting) -> Solved:
        import torch

        return Solved(
            linear(torch.zeros(data.objective.outputs, data.train.features.shape[1]), data.objective.constant())
        )

    yield Solve(fit, options.subset)


@strategy(
    "image-stats",
    learning_rates={},
    tasks=BUILT_IN,
    options=Probe,
    pretrained=False,
    backbone=IMAGE_STATS,
    baseline=True,
    when="always: what brightness and colour alone give away",
)
def image_stats(model: TransferModel, options: Probe) -> Iterator[Phase]:
    """Fit a logistic regression to the means and deviations of each image's channels (one row for each dataset).

    For other tasks than single-label classification, a ridge regression.
    """
    yield Solve(lambda data: fitted(data, options.strengths), options.subset)


@strategy(
    "random-features",
    learning_rates={},
    tasks=BUILT_IN,
    options=Probe,
    pretrained=False,
    serves=ends_in_linear,
    paper="Rahimi & Recht 2007; for networks: Saxe et al. 2011, On Random Weights and Unsupervised Feature Learning",
    when="always: what the architecture gives without what it has learned",
)
def random_features(model: TransferModel, options: Probe) -> Iterator[Phase]:
    """Fit linear-probe's logistic regression to the features of the untrained backbone.

    For other tasks than single-label classification, a ridge regression.
    """
    yield Solve(lambda data: fitted(data, options.strengths), options.subset)


STRATEGIES = (majority, image_stats, random_features)
