"""The components that a request names. Imports no torch: the command line finds them before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.errors import UserError
from tlbench.plan.request import Request
from tlbench.plan.sources import weights_policies
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.session.reporter import Reporter

T = TypeVar("T")


@dataclass(frozen=True)
class Named:
    """A request's components, each once."""

    backbones: list[Component[Backbone]]
    datasets: list[Component[Dataset]]
    strategies: list[Component[Strategy]]
    reporters: list[Component[Reporter]]


def resolve(request: Request, registry: Registry) -> Named:
    """The request's components; raises UserError on the first that is unknown or has bad options."""
    named = Named(
        _distinct([registry.backbones.resolve(spec) for spec in request.backbones]),
        _distinct([find_dataset(registry, spec) for spec in request.datasets]),
        _distinct([registry.strategies.resolve(spec) for spec in request.strategies]),
        _distinct([registry.reporters.resolve(spec) for spec in request.reporters]),
    )
    components: list[Component[Any]] = [*named.backbones, *named.datasets, *named.strategies, *named.reporters]
    for component in components:
        component.check()
    registry.executors.resolve(request.executor).check()
    if request.augment and find_spec("kornia") is None:
        raise UserError("--augment needs kornia: pip install 'tlbench[augment]'")
    weights_policies(request.weights, [each.ref for each in named.backbones], registry.qualified_backbone)
    return named


def find_dataset(registry: Registry, spec: str) -> Component[Dataset]:
    """The dataset of a name; where it is a folder's or file's, the error says how to name that."""
    try:
        return registry.datasets.resolve(spec)
    except UserError as error:
        if not Path(spec).expanduser().exists():
            raise
        remedy = f"for the images in {spec}, say folder:{spec}"
        if Path(spec).suffix.lower() in (".csv", ".tsv"):
            remedy = f"for the images that {spec} names, say csv:{spec}"
        raise UserError(f"{error}; {remedy}") from None


def _distinct(components: list[Component[T]]) -> list[Component[T]]:
    return list({component.ref: component for component in components}.values())
