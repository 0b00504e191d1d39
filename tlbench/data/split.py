"""Which examples belong to which split, decided by class and content, never by chance of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

Integers = np.ndarray


def apportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Share `total` among groups in proportion to their sizes, no share above its group's size.

    Largest remainders get the seats left over (Hamilton's method), so the shares sum to `total` exactly.
    """
    whole = sum(sizes)
    total = min(total, whole)
    exact = [total * size / whole if whole else 0.0 for size in sizes]
    shares = [int(value) for value in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda group: (shares[group] - exact[group], group))
    for group in by_remainder[: total - sum(shares)]:
        shares[group] += 1
    return shares


def at_least_one(shares: list[int], sizes: Sequence[int]) -> list[int]:
    """Shares of the same sum in which no group that has a member goes without, as far as the sum goes.

    What is missing comes from the largest shares.
    """
    shares = list(shares)
    without = [group for group, size in enumerate(sizes) if size and not shares[group]]
    for group in without:
        largest = max(range(len(shares)), key=shares.__getitem__)
        if shares[largest] < 2:
            break
        shares[largest] -= 1
        shares[group] += 1
    return shares


def draw(labels: Integers, number: int, seed: int = 0) -> Integers:
    """The indices of a stratified subset, in ascending order: always the same one for the same labels and seed.

    Each class is in it, where the number is large enough.
    """
    if number >= len(labels):
        return np.arange(len(labels))
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    sizes = [len(group) for group in groups]
    shares = at_least_one(apportion(number, sizes), sizes)
    random = np.random.default_rng(seed)
    taken = [random.permutation(group)[:share] for group, share in zip(groups, shares, strict=True)]
    return np.sort(np.concatenate(taken))


def hold_out(labels: Integers, hashes: Sequence[bytes], number: int) -> tuple[Integers, Integers]:
    """Hold a stratified part of about `number` examples out: (indices kept, indices held out), both ascending.

    In each class, images go in the order of their content hashes, so the part does not depend on the order of
    files, and equal images fall on the same side even when their labels differ. The part is never larger than
    `number`, and leaves an image of each class.
    """
    owners: dict[bytes, list[int]] = {}
    for index, digest in enumerate(hashes):
        owners.setdefault(digest, []).append(index)
    chosen: set[bytes] = set()
    size = 0
    classes, sizes = np.unique(labels, return_counts=True)
    left = dict(zip(classes.tolist(), sizes.tolist(), strict=True))
    for label, share in zip(classes, apportion(number, sizes.tolist()), strict=True):
        taken = 0
        for digest in sorted({hashes[int(index)] for index in np.flatnonzero(labels == label)}):
            group = Counter(labels[owners[digest]].tolist())
            if digest in chosen or taken + group.total() > share or size + group.total() > number:
                continue
            if any(left[each] <= count for each, count in group.items()):
                continue
            chosen.add(digest)
            for each, count in group.items():
                left[each] -= count
            taken += group.total()
            size += group.total()
    is_held = np.array([digest in chosen for digest in hashes], dtype=bool)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)
