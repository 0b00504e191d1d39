"""A dataset by its name."""

from __future__ import annotations

from pathlib import Path

from tlbench.contracts.dataset import Dataset
from tlbench.errors import UserError
from tlbench.registry.components import Component
from tlbench.registry.kinds import Registry


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
