"""Every torchvision classification model, and the classification sets that torchvision can download."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import version

from tlbench import Backbone, Options, hookimpl
from tlbench.registry import RegisterBackbone, RegisterDataset
from tlbench_torchvision.catalogue import CATALOGUE, TorchvisionOptions, load

tlbench_api = 1


def names() -> Iterable[str]:
    """All classification architectures of torchvision."""
    from torchvision import models

    names: list[str] = models.list_models(module=models)
    return names


def make(name: str, _options: Options) -> Backbone:
    """The backbone of one torchvision name."""
    from tlbench_torchvision.backbone import torchvision_backbone

    return torchvision_backbone(name)


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register all of torchvision's models as one family."""
    register.family(names, make, version=version("torchvision"), summary="torchvision model")


@hookimpl
def tlbench_register_datasets(register: RegisterDataset) -> None:
    """Register each set of the catalogue."""
    for name, row in CATALOGUE.items():
        register(name, partial(load, name), options=TorchvisionOptions, summary=row.summary)
