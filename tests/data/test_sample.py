"""A few images of a dataset, with the numbers that the whole would have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import make_dataset, make_split, noise

from tlbench.contracts import SplitOptions
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, Wanted
from tlbench.data.sample import prepare_sample
from tlbench.errors import UserError
from tlbench_tasks.single_label import SingleLabel

TASK = SingleLabel()


def wanted(**options: int) -> Wanted:
    return Wanted("mine", "tasks/single-label", SplitOptions(**options), Limits(train=60, test=20), 8, "bilinear")


def test_a_sample_has_the_numbers_of_the_whole_and_few_images(tmp_path: Path) -> None:
    dataset = make_dataset(make_split(noise(100)), test=make_split(noise(50, seed=1)))
    done: list[int] = []
    sample = prepare_sample(wanted(), dataset, TASK, 10, tmp_path / "sample", lambda each, _total: done.append(each))
    whole = prepare(wanted(), dataset, TASK, tmp_path / "whole")
    assert (sample.images, sample.available, sample.origins) == (whole.images, whole.available, whole.origins)
    assert max(done) == 20
    assert len(np.load(tmp_path / "sample" / "train-images.npy")) < 10


def test_a_sample_refuses_what_the_whole_would(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="train=500 is more than the 100 images there are"):
        prepare_sample(wanted(train=500), make_dataset(make_split(noise(100))), TASK, 10, tmp_path, lambda *_: None)
