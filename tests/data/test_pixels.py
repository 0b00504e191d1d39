"""Pixels from arrays and from files: the same batches, and those that stream are fetched ahead of time."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import PLAIN, make_dataset, make_split, noise

from tlbench.contracts import Split, SplitOptions
from tlbench.contracts.backbone import Interpolation
from tlbench.data import resident as resident_module
from tlbench.data.batches import TrialData, open_split
from tlbench.data.pixels import AHEAD, ArrayPixels, FilePixels, fetched_ahead
from tlbench.data.prepare import prepare
from tlbench.data.prepared import Limits, PreparedDataset, Wanted
from tlbench.engine.feed import in_order
from tlbench_tasks.single_label import SingleLabel

CPU = torch.device("cpu")
IMAGES = noise(60, size=12)
DATASET = make_dataset(make_split(IMAGES), test=make_split(noise(20, size=12, seed=1)))


def prepared(folder: Path, interpolation: Interpolation = "bilinear") -> PreparedDataset:
    wanted = Wanted("demo", "tasks/single-label", SplitOptions(), Limits(), 8, interpolation)
    return prepare(wanted, DATASET, SingleLabel(), folder)


def test_what_is_streamed_is_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = prepared(tmp_path / "kept")
    monkeypatch.setenv("TLBENCH_CACHE_LIMIT", "1k")
    streamed = prepared(tmp_path / "streamed")
    assert (kept.streamed, streamed.streamed) == (False, True)
    assert not list((tmp_path / "streamed").glob("*-images.npy"))
    assert kept.digest == streamed.digest
    assert kept.origins == {"train": "train", "val": "train", "test": "test"}
    for split in ("train", "val", "test"):
        one, other = (
            open_split(each, split, preprocessing=PLAIN, device=CPU, source=lambda: DATASET)
            for each in (kept, streamed)
        )
        for ours, theirs in zip(in_order(one, 7), in_order(other, 7), strict=True):
            assert torch.equal(ours.labels, theirs.labels)
            if PLAIN.interpolation == "bilinear":
                assert torch.equal(ours.images, theirs.images)
            assert ours.images.shape == theirs.images.shape


def test_a_trial_streams_with_the_interpolation_of_its_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLBENCH_CACHE_LIMIT", "1k")
    made = prepared(tmp_path / "streamed", "nearest")
    monkeypatch.delenv("TLBENCH_CACHE_LIMIT")
    kept = prepared(tmp_path / "kept", "nearest")
    streams = TrialData(made, PLAIN, CPU, source=lambda: DATASET)  # PLAIN is nearest
    arrays = TrialData(kept, PLAIN, CPU)
    chosen = torch.tensor([5, 0, 3])
    assert torch.equal(streams.train.batch(chosen).images, arrays.train.batch(chosen).images)
    assert torch.equal(streams.val.batch(chosen).images, arrays.val.batch(chosen).images)


def test_batches_come_in_order_and_some_are_fetched_ahead() -> None:
    asked: list[int] = []
    enough = threading.Event()

    def image(index: int) -> np.ndarray:
        asked.append(index)
        if len(asked) >= AHEAD:
            enough.set()
        return IMAGES[index]

    pixels = FilePixels(Split(np.zeros(60, int), image), np.arange(60), 12, "nearest")
    order = [torch.tensor([place]) for place in (7, 3, 50, 20, 9, 11, 2)]
    stream = fetched_ahead(pixels, order)
    first = next(stream)
    assert enough.wait(10)  # before anything but the first was asked for
    for images, chosen in zip([first, *stream], order, strict=True):
        assert np.array_equal(images[0].numpy(), IMAGES[int(chosen)])
    assert sorted(asked) == sorted(int(each) for each in order)


def test_what_can_not_be_read_is_raised_where_its_batch_is_due() -> None:
    def image(index: int) -> np.ndarray:
        if index == 2:
            raise OSError("the disk is gone")
        return IMAGES[index]

    pixels = FilePixels(Split(np.zeros(60, int), image), np.arange(60), 12, "nearest")
    stream = fetched_ahead(pixels, [torch.tensor([place]) for place in range(4)])
    next(stream), next(stream)
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_an_array_streams_where_it_is_larger_than_the_memory_it_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    assert not ArrayPixels(tmp_path / "images.npy", CPU).streams
    monkeypatch.setattr(resident_module, "MEMORY_SHARE", 0.0)
    large = ArrayPixels(tmp_path / "images.npy", CPU)
    assert large.streams
    order = list(torch.randperm(60, generator=torch.Generator().manual_seed(0)).split(7))
    for images, chosen in zip(fetched_ahead(large, order), order, strict=True):
        assert np.array_equal(images.numpy(), IMAGES[chosen.numpy()])
