"""What a dataset was found to hold, in the words that are shown before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from tlbench.contracts.dataset import Dataset
from tlbench.contracts.options import SplitOptions
from tlbench.data.prepared import PreparedDataset
from tlbench.plan.cell import Protocol
from tlbench.plan.request import Request
from tlbench.registry.components import Component
from tlbench.words import counted, listed


def summary(
    component: Component[Dataset], dataset: Dataset, prepared: PreparedDataset, request: Request, protocol: Protocol
) -> Iterator[str]:
    """What is predicted, the images of each split, why no more, and what to know of them; a sentence each."""
    splits = ", ".join(_split(prepared, split) for split in ("train", "val", "test"))
    why = _why(component.options, prepared, request, protocol)
    yield f"{component.ref}: {prepared.described}; {splits}{why}"
    yield from (f"{component.ref}: {note}" for note in (*dataset.notes, *_notes(prepared)))


def _split(prepared: PreparedDataset, split: str) -> str:
    used, origin = prepared.images[split], prepared.origins[split]
    if origin != split:
        return f"{split} {used:,} cut from {origin}"
    have = prepared.available[split]
    return f"{split} {f'{used:,} of ' if used < have else ''}{counted(have, 'image')}"


def _why(options: object, prepared: PreparedDataset, request: Request, protocol: Protocol) -> str:
    """Why images are left unused, where they are."""
    given = options if isinstance(options, SplitOptions) else SplitOptions()
    reasons = []
    for split, cap, asked in (
        ("train", protocol.train_size, request.train_size),
        ("test", protocol.test_size, request.test_size),
    ):
        of_source = sum(prepared.images[each] for each, origin in prepared.origins.items() if origin == split)
        by_default = getattr(given, split) is None and asked is None and prepared.images[split] == cap
        if by_default and of_source < prepared.available.get(split, 0):
            reasons.append(f"{cap:,} is the default for {split} on a CPU; --{split}-size all takes all")
    return f" ({'; '.join(reasons)})" if reasons else ""


def _notes(prepared: PreparedDataset) -> Iterator[str]:
    if prepared.levels is not None:
        yield f"values of more than 8 bits are scaled from {prepared.levels}"
    if prepared.unreadable:
        yield f"left out as unreadable: {counted(len(prepared.unreadable), 'image')} ({listed(prepared.unreadable, 3)})"
    if prepared.dropped_duplicates:
        yield f"dropped from train: {counted(prepared.dropped_duplicates, 'image')} that val or test has, too"
    yield from prepared.lacking
    yield from (
        f"{each}; --drop-duplicates removes them from train" for each in prepared.leaks if each.equal or each.near
    )
