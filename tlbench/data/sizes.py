"""How many images each split has: what the options ask for, under the protocol's limits."""

from __future__ import annotations

from tlbench.contracts.dataset import Dataset
from tlbench.data.prepared import Wanted
from tlbench.errors import UserError

VAL_SHARE = 0.1
TEST_SHARE = 0.2


def cut_from_train(dataset: Dataset) -> list[str]:
    """Train, and the splits that are cut from it because the dataset has none of its own."""
    return ["train", *(split for split in ("val", "test") if getattr(dataset, split) is None)]


def split_sizes(wanted: Wanted, dataset: Dataset) -> dict[str, int]:
    """How many images each split shall have: what the options ask for, else what there is under the limits."""
    name, options, limits = wanted.name, wanted.options, wanted.limits
    have = len(dataset.train)
    asked = {
        split: _asked(name, split, getattr(options, split), have if source is None else len(source))
        for split, source in (("train", dataset.train), ("val", dataset.val), ("test", dataset.test))
    }
    whole = round(TEST_SHARE * have) if dataset.test is None else len(dataset.test)
    test = asked["test"] or min(whole, limits.test or whole)
    room = have - (test if dataset.test is None else 0)
    train = asked["train"] or min(room, limits.train or room)
    whole = max(1, round(VAL_SHARE * train)) if dataset.val is None else len(dataset.val)
    val = asked["val"] or min(whole, limits.test or whole)
    room -= val if dataset.val is None else 0
    if room < 1 or (asked["train"] or 0) > room:
        raise UserError(
            f"dataset {name}: beside {val} val and {test} test images, {max(room, 0)} of {have} are left to train on, "
            f"not {train}; ask for fewer with train=, val= or test="
        )
    return {"train": min(train, room), "val": val, "test": test}


def _asked(name: str, split: str, value: float | None, whole: int) -> int | None:
    if value is None:
        return None
    number = max(1, round(value * whole)) if value < 1 else int(value)
    if number > whole:
        raise UserError(f"dataset {name}: {split}={number} is more than the {whole} images there are")
    return number
