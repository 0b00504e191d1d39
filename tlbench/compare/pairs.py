"""Cells of two sides paired by what they are; those that can't be compared are refused, with what they differ in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tlbench.compare.side import Measured, Side
from tlbench.errors import UserError
from tlbench.words import counted, listed

NAMED = 5
"""Refused cells that are named one by one."""


@dataclass(frozen=True)
class Paired:
    """Pairs of cells (base, head), the cells that head misses, and those that are new in it.

    `changed` has the cells of head that would be pairs, had they the sources of base.
    """

    pairs: tuple[tuple[Measured, Measured], ...]
    missing: tuple[Measured, ...]
    new: tuple[Measured, ...]
    changed: tuple[Measured, ...] = ()


def paired(base: Side, head: Side, changed_sources: bool = False) -> Paired:
    """Pair the cells of two sides by their keys; raises UserError where one is unlike, or two have the same key.

    Cells whose components have other sources are other cells, unless `changed_sources` are to be compared.
    """
    bases, heads = _by_key(base), _by_key(head)
    keys = {key: key for key in bases if key in heads} | _by_the_first_two(bases, heads)
    changed = {ours: theirs for ours, theirs in keys.items() if bases[ours].sources != heads[theirs].sources}
    if changed_sources:
        changed = {}
    keys = {ours: theirs for ours, theirs in keys.items() if ours not in changed}
    pairs = tuple((bases[ours], heads[theirs]) for ours, theirs in keys.items())
    unlike = [(first, said) for first, second in pairs if (said := _unlike(first, second))]
    if unlike:
        lines = [f"{cell.name}: {said}" for cell, said in unlike[:NAMED]]
        more = [f"and {counted(len(unlike) - NAMED, 'other cell')}"] if len(unlike) > NAMED else []
        raise UserError(
            f"{base.name} (base) and {head.name} (head) can't be compared; run both with the same options:\n  "
            + "\n  ".join(lines + more)
        )
    if changed and not pairs:
        said = sources_changed([heads[key] for key in changed.values()])
        raise UserError(f"{base.name} and {head.name} have no cell in common: {said}")
    if not pairs:
        raise UserError(
            f"{base.name} and {head.name} have no cell in common; the first of each: {_first(base)} and {_first(head)}"
        )
    return Paired(
        pairs,
        tuple(cell for key, cell in bases.items() if key not in keys),
        tuple(cell for key, cell in heads.items() if key not in keys.values()),
        tuple(heads[key] for key in changed.values()),
    )


def sources_changed(cells: Sequence[Measured]) -> str:
    """That cells are other ones, as their sources have changed."""
    named = listed([cell.name for cell in cells], NAMED)
    return f"the source of {named} has changed, which makes another cell; --changed-sources compares the two"


Difference = tuple[str, object, object]
"""A field, and what each of two cells has in it."""


def told(first: Measured, second: Measured) -> Iterator[Difference]:
    """What may differ between two cells, and does."""
    for name in dict.fromkeys((*first.told, *second.told)):
        ours, theirs = first.told.get(name), second.told.get(name)
        if ours != theirs and isinstance(ours, dict) and isinstance(theirs, dict):
            for key in dict.fromkeys((*ours, *theirs)):
                if ours.get(key) != theirs.get(key):
                    yield f"{name}.{key}", ours.get(key), theirs.get(key)
        elif ours != theirs:
            yield name, "none" if ours is None else ours, "none" if theirs is None else theirs


def differences_told(first: Measured, second: Measured) -> Iterator[str]:
    """The same in words."""
    return (f"{name} {ours} in base, {theirs} in head" for name, ours, theirs in told(first, second))


def unlike(first: Mapping[str, object], second: Mapping[str, object]) -> Iterator[Difference]:
    """The decisive fields that must be equal and are not; what one side does not know is not compared."""
    for name, ours in first.items():
        theirs = second.get(name)
        if ours is not None and theirs is not None and ours != theirs:
            yield name, ours, theirs


Keyed = dict[tuple[str, ...], Measured]


def _by_key(side: Side) -> Keyed:
    found: Keyed = {}
    for cell in side.cells:
        if cell.key in found:
            differ = _unlike(found[cell.key], cell) or ", ".join(differences_told(found[cell.key], cell))
            raise UserError(
                f"{side.name} has two cells {cell.name}, which differ: {differ}; compare runs with one each"
            )
        found[cell.key] = cell
    return found


def _by_the_first_two(bases: Keyed, heads: Keyed) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Cells without a partner whose backbone and strategy one other cell without a partner has: these are unlike."""
    alone = [[key for key in side if key not in other] for side, other in ((bases, heads), (heads, bases))]
    counts = [Counter(key[:2] for key in side) for side in alone]
    theirs = {key[:2]: key for key in alone[1]}
    return {key: theirs[key[:2]] for key in alone[0] if counts[0][key[:2]] == counts[1][key[:2]] == 1}


def _unlike(first: Measured, second: Measured) -> str:
    found = unlike(first.decisive, second.decisive)
    return ", ".join(f"{name} is {ours} in base and {theirs} in head" for name, ours, theirs in found)


def _first(side: Side) -> str:
    return side.cells[0].name if side.cells else "none"
