"""Suites among a request's datasets, made into their members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tlbench.contracts.dataset import Dataset
from tlbench.errors import UserError
from tlbench.plan.cell import Protocol
from tlbench.plan.named_dataset import find_dataset
from tlbench.plan.request import Request
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry

PREFIX = "suite:"


def datasets_of(request: Request, registry: Registry) -> tuple[list[Component[Dataset]], dict[str, tuple[str, ...]]]:
    """The request's datasets, those of suites among them; and by suite, the qualified names of its members.

    Raises UserError on a suite or a dataset that is unknown.
    """
    found: list[Component[Dataset]] = []
    suites: dict[str, tuple[str, ...]] = {}
    for spec in request.datasets:
        if not spec.startswith(PREFIX):
            found.append(find_dataset(registry, spec))
            continue
        name = spec.removeprefix(PREFIX)
        members = list(_members(registry, name))
        suites[name] = tuple(member.ref for member in members)
        found += members
    return found, suites


def _members(registry: Registry, name: str) -> Iterator[Component[Dataset]]:
    component = registry.suites.resolve(name)
    for spec in component.load().datasets:
        try:
            yield find_dataset(registry, spec)
        except UserError as error:
            raise UserError(f"suite {component.ref}: {error}") from error


def in_one_size(
    protocols: Mapping[str, Protocol], suites: Mapping[str, Sequence[str]], request: Request
) -> dict[str, Protocol]:
    """Protocols by dataset, those of a suite's members with one image size, the largest of theirs.

    Where one is asked for, all have that.
    """
    found = dict(protocols)
    for members in suites.values() if request.image_size is None else ():
        here = [member for member in members if member in found]
        if here:
            size = max(found[member].image_size for member in here)
            found |= {member: found[member].model_copy(update={"image_size": size}) for member in here}
    return found
