"""What a dataset holds, in this process and in another one: python -m tlbench.testing.kit.contents NAME CHOSEN."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlbench.contracts.dataset import Dataset, Split
from tlbench.registry.chosen import Chosen, using
from tlbench.registry.names import safe_environment

if TYPE_CHECKING:
    from tlbench.testing.kit.subject import Subject

MOST = 2_000
"""Images of a split that are read; of more, so many evenly spaced ones."""
ELSEWHERE = 200
"""Images of a split that are compared with what another process reads."""


@dataclass(frozen=True)
class Described:
    """A dataset in JSON: digests of some images of each split, of all labels, the names, and the fingerprint."""

    images: Mapping[str, Sequence[str]]
    labels: Mapping[str, str]
    classes: Sequence[str]
    fingerprint: str | None


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """The splits that a dataset has of its own."""
    splits = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def places_of(split: Split, most: int = MOST) -> list[int]:
    """The places of some images, the first and the last among them."""
    number = len(split)
    chosen: list[int] = np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist()
    return chosen if number else []


def digest_of(image: Any) -> str:
    """A digest of an image's pixels, its shape and its kind."""
    array = np.asarray(image)
    kind = f"{array.shape} {array.dtype} {getattr(image, 'mode', '')}"
    return hashlib.blake2b(kind.encode() + np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()


def described(dataset: Dataset) -> Described:
    """A dataset as two processes must both find it."""
    splits = splits_of(dataset)
    return Described(
        {
            name: [digest_of(split.image(place)) for place in places_of(split, ELSEWHERE)]
            for name, split in splits.items()
        },
        {name: hashlib.sha256(json.dumps(_plain(split.labels)).encode()).hexdigest() for name, split in splits.items()},
        [str(each) for each in dataset.classes],
        dataset.fingerprint,
    )


def _plain(labels: Any) -> Any:
    return np.asarray(labels).tolist()


def elsewhere(subject: Subject) -> Described:
    """The dataset as a process finds it whose hashes of texts are others; raises RuntimeError where it can't."""
    command = [sys.executable, "-m", "tlbench.testing.kit.contents", subject.name, subject.chosen.to_json()]
    environment = safe_environment() | {"PYTHONHASHSEED": "4242" if os.environ.get("PYTHONHASHSEED") != "4242" else "1"}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if answer.returncode:
        raise RuntimeError(answer.stderr.strip().rpartition("\n")[2])
    return Described(**json.loads(answer.stdout.rpartition("\n")[2]))


def _main(name: str, chosen: str) -> None:
    from tlbench.testing.kit.subject import subject_of

    given = Chosen.of_json(chosen)
    with using(given):
        found = described(subject_of("dataset", name, given).made())
    sys.stdout.write("\n" + json.dumps(found.__dict__))


if __name__ == "__main__":
    _main(*sys.argv[1:])
