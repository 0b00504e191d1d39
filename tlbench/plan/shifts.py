"""Other datasets that a trained model is tested on: found, held to the target's task and classes, and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from tlbench.contracts.backbone import Interpolation
from tlbench.contracts.dataset import Dataset
from tlbench.data.prepared import PreparedDataset, shared_with_test
from tlbench.data.relabel import relabelled
from tlbench.errors import UserError
from tlbench.plan.cell import Protocol, ShiftPlan
from tlbench.plan.datasets import Decoder, Loaded, as_wide, beside, loaded
from tlbench.plan.found import Note, Tell
from tlbench.plan.weights import Means
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry
from tlbench.words import listed

SHOWN = 5
"""Classes of a side that an error names; the rest is counted."""


def shifts_of(
    registry: Registry,
    components: Iterable[Component[Dataset]],
    targets: Mapping[str, Loaded],
    means: Means,
    tell: Tell,
) -> dict[str, list[Loaded]]:
    """By dataset of a run, the others that its models are tested on; no dataset is another one beside itself.

    Raises UserError where one has another task, other classes or images that can't be read with the target's channels,
    and where nothing is left to test on.
    """
    others = [loaded(registry, each) for each in components if _is_here(each, means, tell)]
    found = {ref: [each for each in others if each.ref != ref] for ref in targets}
    if others and not any(found.values()):
        raise UserError(
            f"--test-on {others[0].ref} is what the run trains on, and tests on anyway; name another dataset"
        )
    for ref, each in found.items():
        for other in each:
            _check(other, targets[ref])
    return found


def decode_shifts(
    decoder: Decoder,
    others: Iterable[Loaded],
    target: Loaded,
    prepared: PreparedDataset,
    protocol: Protocol,
    interpolation: Interpolation,
) -> dict[str, tuple[PreparedDataset, ShiftPlan]]:
    """The datasets that models of a decoded target are tested on, decoded likewise, and what the cells keep of them."""
    found = {}
    for other in others:
        made = decoder.prepared(_as_wide(other, target), protocol, interpolation)
        try:
            relabelled(np.load(made.folder / "test-labels.npy"), made.classes, prepared.classes)
        except ValueError as error:
            raise UserError(f"--test-on {other.ref}: {error}") from error
        found[other.ref] = made, _plan(decoder, other, made, target, prepared)
    return found


def _is_here(component: Component[Dataset], means: Means, tell: Tell) -> bool:
    """Whether a dataset can be looked at; a dry run downloads nothing."""
    if means.most_images is None or component.is_here:
        return True
    tell(Note(f"to be downloaded: dataset {component.ref}, which models are tested on"))
    return False


def _check(other: Loaded, target: Loaded) -> None:
    """Raise UserError where models of a target can't be tested on another dataset."""
    if other.task_component.ref != target.task_component.ref:
        raise UserError(
            f"--test-on {other.ref}: its task is {other.task_component.ref}, and that of {target.ref} is "
            f"{target.task_component.ref}"
        )
    if apart := [*_alone(other, target), *_alone(target, other)]:
        raise UserError(
            f"--test-on {other.ref}: its classes must be those of {target.ref}, in any order; {' and '.join(apart)}"
        )
    _as_wide(other, target)


def _alone(one: Loaded, other: Loaded) -> Iterator[str]:
    """Which classes one dataset has and another has not, in words; nothing where there are none."""
    there = set(map(str, other.dataset.classes))
    if names := [str(each) for each in one.dataset.classes if str(each) not in there]:
        yield f"{one.ref} alone has {listed(names, SHOWN)}"


def _as_wide(other: Loaded, target: Loaded) -> Loaded:
    """Another dataset read with the target's channels."""
    wide = as_wide(other, target.dataset)
    if wide is None:
        raise UserError(
            f"--test-on {other.ref}: its images have {other.dataset.channels} channels, and those of {target.ref} have "
            f"{target.dataset.channels}"
        )
    return wide


def _plan(
    decoder: Decoder, other: Loaded, made: PreparedDataset, target: Loaded, prepared: PreparedDataset
) -> ShiftPlan:
    """What a cell keeps of a dataset; images of it that the target trains on are told of once."""
    key = made.folder, prepared.folder
    if key not in decoder.shifts:
        plan = ShiftPlan(
            **beside(other, made),
            test_images=made.images["test"],
            train_images_shared=shared_with_test(made, prepared),
        )
        if plan.train_images_shared:
            decoder.tell(Note(f"warning: {plan.leak_from(target.ref)}"))
        decoder.shifts[key] = plan
    return decoder.shifts[key]
