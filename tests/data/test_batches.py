"""Batches: normalised as torchvision does, in channels_last, each example once an epoch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import load_split, make_dataset, make_images, make_split, noise, save_split
from torchvision.transforms import v2

from tlbench.contracts import Preprocessing, SplitOptions
from tlbench.data.batches import TrialData, epoch_order, steps_per_epoch
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, Wanted
from tlbench.engine.feed import in_order
from tlbench.errors import TestSplitShut
from tlbench_tasks.single_label import SingleLabel

CPU = torch.device("cpu")


def test_normalisation_is_torchvisions(tmp_path: Path) -> None:
    pixels, preprocessing = noise(6), Preprocessing()
    save_split(tmp_path, "train", pixels, np.arange(6))
    oracle = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(preprocessing.mean, preprocessing.std)]
    )
    batch = load_split(tmp_path, "train", preprocessing).batch(torch.tensor([4, 1, 0]))
    expected = torch.stack([oracle(pixels[place]) for place in (4, 1, 0)])
    torch.testing.assert_close(batch.images, expected, rtol=1e-5, atol=1e-5)
    assert batch.labels.tolist() == [4, 1, 0]


def test_batches_are_channels_last(tmp_path: Path) -> None:
    images = make_images(tmp_path, 5).batch(torch.arange(5)).images
    assert images.shape == (5, 3, 8, 8)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_writing_into_a_batch_leaves_the_file_alone(tmp_path: Path) -> None:
    images = make_images(tmp_path, 4)
    before = (tmp_path / "train-images.npy").read_bytes()
    first = images.batch(torch.arange(4)).images.clone()
    images.batch(torch.arange(4)).images.zero_()
    assert torch.equal(images.batch(torch.arange(4)).images, first)
    assert (tmp_path / "train-images.npy").read_bytes() == before


def test_in_order_gives_all_once(tmp_path: Path) -> None:
    images = make_images(tmp_path, 7)
    batches = list(in_order(images, 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([batch.labels for batch in batches]), images.labels)


@pytest.mark.parametrize(("number", "batch_size", "lengths"), [(8, 4, [4, 4]), (10, 4, [4, 4, 2]), (9, 4, [4, 5])])
def test_epoch_order_covers_each_example_once_and_a_last_single_one_joins(
    number: int, batch_size: int, lengths: list[int]
) -> None:
    batches = epoch_order(number, batch_size, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == lengths
    assert sorted(torch.cat(batches).tolist()) == list(range(number))


def test_epochs_are_shuffled_anew_and_repeat_with_the_seed() -> None:
    def two_epochs(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return [torch.cat(epoch_order(50, 8, generator)).tolist() for _ in range(2)]

    first, second = two_epochs(0)
    assert first != second
    assert two_epochs(0) == [first, second]
    assert two_epochs(1) != [first, second]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7, 16, 64])
def test_steps_per_epoch_agrees_with_epoch_order(batch_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    for number in range(1, 70):
        batches = epoch_order(number, batch_size, generator)
        assert steps_per_epoch(number, batch_size) == len(batches), f"{number} images"


def test_test_opens_once_and_only_after_the_last_choice(tmp_path: Path) -> None:
    wanted = Wanted("demo", "tasks/single-label", SplitOptions(), Limits(), 8, "nearest")
    prepared = prepare(wanted, make_dataset(make_split(noise(40))), SingleLabel(), tmp_path / "demo")
    data = TrialData(prepared, Preprocessing(), CPU)
    with pytest.raises(TestSplitShut, match="until training has ended"):
        data.open_test()
    data.last_choice_made()
    test = data.open_test()
    assert [len(data.train), len(data.val), len(test)] == [prepared.images[each] for each in ("train", "val", "test")]
    with pytest.raises(TestSplitShut, match="opened already"):
        data.open_test()
    parts = [set(images.indices.tolist()) for images in (data.train, data.val, test)]
    assert all(not one & other for one, other in pairwise([*parts, parts[0]]))
