"""Every torchvision classification model, and the classification sets that torchvision can download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import version

from pydantic import Field

from tlbench import Backbone, Options, hookimpl
from tlbench.toolkit import RegisterBackbone, RegisterDataset, RegisterSuite
from tlbench_torchvision.catalogue import CATALOGUE, TorchvisionOptions, load, present

tlbench_api = 1

VTAB_NATURAL = ("caltech101", "cifar100", "dtd", "flowers", "pets", "sun397", "svhn")
VTAB_1K = {"train": 800, "val": 200}
"""Zhai et al. 2019, A Large-scale Study of Representation Learning with the Visual Task Adaptation Benchmark,
arXiv:1910.04867: 1,000 labelled images, a fifth of them to choose by, and the whole test set."""


def names() -> Iterable[str]:
    """All classification architectures of torchvision."""
    from torchvision import models

    names: list[str] = models.list_models(module=models)
    return names


class WeightsOption(Options):
    """Which of an architecture's published weights."""

    weights: str = Field("DEFAULT", description="torchvision's name of the weights, IMAGENET1K_V1 say")


def make(name: str, options: WeightsOption) -> Backbone:
    """The backbone of one torchvision name."""
    from tlbench_torchvision.backbone import torchvision_backbone

    return torchvision_backbone(name, options.weights)


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register all of torchvision's models as one family."""
    register.family(names, make, options=WeightsOption, version=version("torchvision"), summary="torchvision model")


@hookimpl
def tlbench_register_suites(register: RegisterSuite) -> None:
    """Register suites of the catalogue."""
    register(
        "vtab-natural",
        [f"torchvision/{name}" for name in VTAB_NATURAL],
        split=VTAB_1K,
        summary="the seven sets of photographs of VTAB-1k (Zhai et al. 2019), 800 training and 200 val images each",
    )


@hookimpl
def tlbench_register_datasets(register: RegisterDataset) -> None:
    """Register each set of the catalogue."""
    for name, row in CATALOGUE.items():
        register(
            name,
            partial(load, name),
            options=TorchvisionOptions,
            summary=row.summary,
            present=partial(present, name),
        )
