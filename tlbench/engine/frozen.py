"""What a phase may not change stays as it is, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from tlbench.contracts.model import TransferModel
from tlbench.contracts.part import Part
from tlbench.engine.identity import tensor_digest
from tlbench.errors import PhaseError

NAMED = 3
"""How many of the tensors that have changed are named."""


def digests(model: TransferModel, but: Part) -> dict[str, str]:
    """The digests of all parameters and buffers outside of a part, by name."""
    return {name: tensor_digest(tensor) for name, tensor in _tensors(model, but)}


def refuse_changes(model: TransferModel, but: Part, before: Mapping[str, str]) -> None:
    """Raise PhaseError where parameters or buffers outside of a part are not what they were."""
    changed = [name for name, tensor in _tensors(model, but) if before.get(name) != tensor_digest(tensor)]
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        raise PhaseError(
            f"the phase has changed what it does not train: {', '.join(changed[:NAMED])}{more}; "
            f"a Train phase names what else it changes in `moves`"
        )


def _tensors(model: TransferModel, but: Part) -> Iterator[tuple[str, torch.Tensor]]:
    every = (*model.module.named_parameters(), *model.module.named_buffers())
    return ((name, tensor) for name, tensor in every if not but.holds(name))
