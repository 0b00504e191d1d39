"""The components that a request names. Imports no torch: the command line finds them before anything else is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from tlbench.contracts.backbone import Backbone
from tlbench.contracts.dataset import Dataset
from tlbench.contracts.strategy import Strategy
from tlbench.errors import UserError, nearest
from tlbench.plan.choices import AUGMENTATIONS, OPTIMIZERS, SCHEDULES
from tlbench.plan.named_dataset import find_dataset
from tlbench.plan.recipe import Recipe
from tlbench.plan.request import Request
from tlbench.plan.sources import Source, find_sources
from tlbench.plan.suites import datasets_of
from tlbench.plan.weights import weights_policies
from tlbench.registry.components import Component
from tlbench.registry.kinds import Kind, Registry
from tlbench.registry.provenance import Provenance
from tlbench.session.reporter import Reporter

T = TypeVar("T")


@dataclass(frozen=True)
class Named:
    """A request's components, each once. Of `sources`, None is the backbones' own pretraining.

    `suites` has the datasets of each suite that is named, which are among `datasets`.
    """

    backbones: list[Component[Backbone]]
    datasets: list[Component[Dataset]]
    strategies: list[Component[Strategy]]
    reporters: list[Component[Reporter]]
    sources: list[Source | None]
    suites: dict[str, tuple[str, ...]]
    test_on: list[Component[Dataset]]


def resolve(request: Request, registry: Registry) -> Named:
    """The request's components; raises UserError on the first that is unknown or has bad options."""
    backbones = _distinct([registry.backbones.resolve(spec) for spec in request.backbones])
    datasets, suites = datasets_of(request, registry)
    named = Named(
        backbones,
        _distinct(datasets),
        _distinct([registry.strategies.resolve(spec) for spec in request.strategies]),
        _distinct([registry.reporters.resolve(spec) for spec in request.reporters]),
        find_sources(request, registry),
        suites,
        _distinct([find_dataset(registry, spec) for spec in request.test_on]),
    )
    components: list[Component[Any]] = [
        *named.backbones, *named.datasets, *named.strategies, *named.reporters, *named.test_on,
    ]  # fmt: skip
    for component in components:
        component.check()
    registry.executors.resolve(request.executor).check()
    if set(request.augment) & set(AUGMENTATIONS) and find_spec("kornia") is None:
        raise UserError("--augment needs kornia: pip install 'tlbench[augment]'")
    if request.corruptions and find_spec("kornia") is None:
        raise UserError("--corruptions needs kornia: pip install 'tlbench[augment]'")
    weights_policies(request.weights, [each.ref for each in named.backbones], registry.qualified_backbone)
    return named


PARTS = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "augment": AUGMENTATIONS}
"""Options that name parts of the training, and the names that are tlbench's own."""


def with_parts(request: Request, registry: Registry) -> Request:
    """The same with qualified names of the optimizer, the schedule and the augmentations that are plugins'.

    Raises UserError where there is none of a name.
    """
    kinds: dict[str, Kind[Any]] = {
        "optimizer": registry.optimizers,
        "schedule": registry.schedules,
        "augment": registry.augmentations,
    }
    changed: dict[str, object] = {}
    for option, own in PARTS.items():
        asked = getattr(request, option)
        given = (asked,) if isinstance(asked, str) else asked
        names = tuple(_qualified(option, own, kinds[option], name) for name in given)
        changed[option] = names[0] if isinstance(asked, str) else names
    return request.model_copy(update=changed)


def _qualified(option: str, own: Sequence[str], kind: Kind[Any], name: str) -> str:
    """A name as it is recorded: tlbench's own as they are."""
    if name in own:
        return name
    known = [*own, *(entry.name for entry in kind)]
    if name.rpartition("/")[2] not in known:
        raise UserError(
            f"--{option} {name!r}: there is no {kind.name} of that name{nearest(name, known)}; there are "
            f"{', '.join(known)}"
        )
    return kind.find(name).qualified


def parts_among(provenance: Mapping[str, Provenance]) -> dict[str, Provenance]:
    """The parts of the training among what a plan knows the origin of."""
    return {
        name: origin
        for name, origin in provenance.items()
        if name.partition(" ")[0] in ("optimizer", "schedule", "augmentation")
    }


def parts_of(protocol: Recipe, registry: Registry) -> dict[str, Component[Any]]:
    """The parts of a protocol's training that are plugins', by what they are."""
    found: dict[str, Component[Any]] = {}
    if protocol.optimizer not in OPTIMIZERS:
        found["optimizer"] = registry.optimizers.resolve(protocol.optimizer)
    if protocol.schedule not in SCHEDULES:
        found["schedule"] = registry.schedules.resolve(protocol.schedule)
    for name in protocol.augment:
        if name not in AUGMENTATIONS:
            found[f"augmentation {name}"] = registry.augmentations.resolve(name)
    return found


def _distinct(components: list[Component[T]]) -> list[Component[T]]:
    return list({component.ref: component for component in components}.values())
