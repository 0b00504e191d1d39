"""Labels that are integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def whole_numbers(given: np.ndarray, describe: Callable[[int], str], rule: str) -> np.ndarray:
    """N (or N×K) labels as int64; raises ValueError that names the first that is no integer, and says the rule."""
    try:
        with np.errstate(invalid="ignore"):
            whole = given.astype(np.int64)
        same = bool((whole == given).all())
    except (TypeError, ValueError):
        whole, same = np.zeros(given.shape, np.int64), False
    if not same:
        example = next(place for place, value in enumerate(given) if not all(map(_is_whole, np.atleast_1d(value))))
        wrong = next(each for each in np.atleast_1d(given[example]) if not _is_whole(each))
        shown = wrong.item() if isinstance(wrong, np.generic) else wrong
        raise ValueError(f"the label of {describe(example)} is {shown!r}; {rule}")
    return whole


def _is_whole(value: object) -> bool:
    try:
        return int(value) == value  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return False
