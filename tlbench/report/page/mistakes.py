"""The worst mistakes among predictions: of classes, of labels, of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Kept = Mapping[str, np.ndarray]
"""What is kept of a trial's predictions, N rows each: `labels` and `indices`, and what the task adds."""
MOST = 8
Mistake = tuple[float, int, str]
"""How bad it is, the image's index, and what was predicted, in words."""


def has_classes(kept: Kept) -> bool:
    """Whether one of several classes was predicted."""
    found = [kept.get(name) for name in ("labels", "predicted")]
    return all(each is not None and each.ndim == 1 and each.dtype.kind in "iu" for each in found)


def confusion(kept: Sequence[Kept], classes: int) -> list[list[int]]:
    """How many images of each class (row) were predicted as each (column), over all seeds."""
    counts = np.zeros((classes, classes), np.int64)
    for each in kept:
        np.add.at(counts, (each["labels"], each["predicted"]), 1)
    return [list(map(int, row)) for row in counts]


def worst(kept: Sequence[Kept], names: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
    """A heading, and the worst mistakes of all seeds, each image once, the worst first."""
    if all(has_classes(each) and "confidence" in each for each in kept):
        return "Most confident mistakes", _told(each for seed in kept for each in _of_classes(seed, names))
    if all(_of_names(each, "probabilities", names) for each in kept):
        return "Most confident mistakes", _told(each for seed in kept for each in _of_labels(seed, names))
    if all(_of_names(each, "predicted", names) for each in kept):
        return "Largest errors", _told(each for seed in kept for each in _of_numbers(seed, names))
    return "", []


def _of_names(kept: Kept, key: str, names: Sequence[str]) -> bool:
    """Whether there are labels and a figure for each name."""
    shape = (len(kept["indices"]), len(names))
    return all(name in kept and kept[name].shape == shape for name in ("labels", key))


def _told(found: Iterator[Mistake]) -> list[dict[str, Any]]:
    told: dict[int, dict[str, Any]] = {}
    for size, index, said in sorted(found, key=lambda each: (-each[0], each[1])):
        if len(told) == MOST:
            break
        told.setdefault(index, {"index": index, "said": said, "size": round(size, 4)})
    return list(told.values())


def _of_classes(kept: Kept, names: Sequence[str]) -> Iterator[Mistake]:
    for place in np.flatnonzero(kept["labels"] != kept["predicted"]):
        confidence = float(kept["confidence"][place])
        label, predicted = names[int(kept["labels"][place])], names[int(kept["predicted"][place])]
        yield confidence, int(kept["indices"][place]), f"{predicted} ({confidence:.1%}), is {label}"


def _of_labels(kept: Kept, names: Sequence[str]) -> Iterator[Mistake]:
    """Each image by the label that is most wrong."""
    apart = np.abs(kept["labels"] - kept["probabilities"])
    for place in np.flatnonzero(apart.max(1) > 0.5):
        name = int(apart[place].argmax())
        probability, occurs = float(kept["probabilities"][place, name]), bool(kept["labels"][place, name])
        said = f"{names[name]} {probability:.1%}, {'occurs' if occurs else 'does not occur'}"
        yield float(apart[place, name]), int(kept["indices"][place]), said


def _of_numbers(kept: Kept, names: Sequence[str]) -> Iterator[Mistake]:
    """Each image by its mean error, in standard deviations of the targets."""
    spread = np.where((found := kept["labels"].std(0)) > 0, found, 1.0)
    errors = (np.abs(kept["labels"] - kept["predicted"]) / spread).mean(1)
    for place in np.argsort(-errors)[:MOST]:
        said = ", ".join(
            f"{name} {predicted:.4g}, is {label:.4g}"
            for name, predicted, label in zip(names, kept["predicted"][place], kept["labels"][place], strict=True)
        )
        yield float(errors[place]), int(kept["indices"][place]), said
