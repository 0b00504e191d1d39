"""A dataset decoded: as many images as asked for, in splits that share none, and errors that name the thing."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from builders import make_dataset, make_split, noise

from tlbench.cache import StageCache
from tlbench.contracts import Dataset, Split, SplitOptions
from tlbench.data.image_files import split_of
from tlbench.data.levels import Levels
from tlbench.data.prepare import at_hand, prepare, prepare_cached
from tlbench.data.prepared import Limits, PreparedDataset, Wanted
from tlbench.errors import UserError
from tlbench_tasks.multi_label import MultiLabel
from tlbench_tasks.single_label import SingleLabel

TASK = SingleLabel()
UNLIMITED = Limits()


def wanted(limits: Limits = UNLIMITED, image_size: int = 8, **options: Any) -> Wanted:
    return Wanted("demo", "tasks/single-label", SplitOptions(**options), limits, image_size, "nearest")


def prepared(
    folder: Path, dataset: Dataset, limits: Limits = UNLIMITED, image_size: int = 8, **options: Any
) -> PreparedDataset:
    return prepare(wanted(limits, image_size, **options), dataset, TASK, folder)


def load(folder: Path, what: str) -> dict[str, np.ndarray]:
    return {split: np.load(folder / f"{split}-{what}.npy") for split in ("train", "val", "test")}


HUNDRED = make_dataset(make_split(noise(100)))
WITH_TEST = make_dataset(make_split(noise(100)), test=make_split(noise(40, seed=1)))
THREE = make_dataset(make_split(noise(60)), val=make_split(noise(20, seed=2)), test=make_split(noise(40, seed=1)))


@pytest.mark.parametrize(
    ("dataset", "options", "limits", "sizes"),
    [
        (HUNDRED, {}, UNLIMITED, (72, 8, 20)),
        (WITH_TEST, {}, UNLIMITED, (90, 10, 40)),
        (THREE, {}, UNLIMITED, (60, 20, 40)),
        (HUNDRED, {}, Limits(train=30, test=10), (30, 3, 10)),
        (THREE, {}, Limits(train=30, test=10), (30, 10, 10)),
        (HUNDRED, {"train": 50, "val": 6, "test": 14}, UNLIMITED, (50, 6, 14)),
        (THREE, {"train": 50, "val": 6, "test": 14}, Limits(train=10, test=4), (50, 6, 14)),
        (HUNDRED, {"train": 0.5, "test": 0.3}, UNLIMITED, (50, 5, 30)),
        (HUNDRED, {"train": 80, "val": 10, "test": 10}, UNLIMITED, (80, 10, 10)),
    ],
)
def test_sizes(
    tmp_path: Path, dataset: Dataset, options: dict[str, float], limits: Limits, sizes: tuple[int, int, int]
) -> None:
    made = prepared(tmp_path, dataset, limits, **options)
    assert tuple(made.images[split] for split in ("train", "val", "test")) == sizes
    assert tuple(len(pixels) for pixels in load(tmp_path, "images").values()) == sizes


def test_splits_of_one_source_share_no_example_and_no_content(tmp_path: Path) -> None:
    pixels = noise(100)
    pixels[50:60] = pixels[:10]
    prepared(tmp_path, make_dataset(make_split(pixels)), train=60)
    indices = load(tmp_path, "indices")
    everything = np.concatenate(list(indices.values()))
    assert len(set(everything)) == len(everything)
    contents = [{pixels[index].tobytes() for index in each} for each in indices.values()]
    assert not contents[0] & contents[1] | contents[0] & contents[2] | contents[1] & contents[2]


def test_arrays_hold_the_images_and_labels_that_the_indices_say(tmp_path: Path) -> None:
    pixels = noise(100)
    dataset = make_dataset(make_split(pixels))
    prepared(tmp_path, dataset)
    images, labels, indices = (load(tmp_path, what) for what in ("images", "labels", "indices"))
    for split in ("train", "val", "test"):
        assert np.array_equal(images[split], pixels[indices[split]])
        assert np.array_equal(labels[split], np.asarray(dataset.train.labels)[indices[split]])


def test_images_get_the_size_asked_for_and_nothing_else_is_left(tmp_path: Path) -> None:
    made = prepared(tmp_path / "new", THREE, image_size=5)
    assert made.image_size == 5
    assert all(pixels.shape[1:] == (5, 5, 3) for pixels in load(tmp_path / "new", "images").values())
    assert {file.suffix for file in (tmp_path / "new").iterdir()} == {".npy"}


def test_duplicates_between_train_and_test_are_counted_with_an_example(tmp_path: Path) -> None:
    train, test = noise(40), noise(20, seed=1)
    test[3], test[4], test[5] = train[0], train[0], train[7]
    dataset = make_dataset(make_split(train), val=make_split(noise(6, seed=2)), test=make_split(test))
    _, leak = prepared(tmp_path / "three", dataset).leaks
    assert (leak.split, leak.images, leak.equal, leak.near) == ("test", 20, 3, 0)
    assert leak.example == ("example 0", "example 3")
    assert [(leak.equal, leak.near) for leak in prepared(tmp_path / "none", THREE).leaks] == [(0, 0), (0, 0)]


def test_duplicates_are_dropped_from_train_where_asked_for(tmp_path: Path) -> None:
    train, val, test = noise(40), noise(6, seed=2), noise(20, seed=1)
    test[3], test[5], val[1] = train[0], train[7], train[9]
    dataset = make_dataset(make_split(train), val=make_split(val), test=make_split(test))
    made = prepare(replace(wanted(), drop_duplicates=True), dataset, TASK, tmp_path)
    assert made.dropped_duplicates == 3
    assert made.images == {"train": 37, "val": 6, "test": 20}
    assert all(leak.equal == leak.near == 0 for leak in made.leaks)
    assert set(np.load(tmp_path / "train-indices.npy")) == set(range(40)) - {0, 7, 9}


def test_progress_counts_every_image_decoded(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    prepare(wanted(), THREE, TASK, tmp_path, lambda *each: told.append(each))
    assert told == [(done, 120) for done in range(1, 121)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 101}, "demo: train=101 is more than the 100 images"),
        ({"test": 250}, "demo: test=250 is more than the 100 images"),
        ({"train": 100}, "70 of 100 are left to train on, not 100"),
        ({"val": 60, "test": 40}, "0 of 100 are left to train on"),
    ],
)
def test_too_many_images_asked_for(tmp_path: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepared(tmp_path, HUNDRED, **options)


def files_of_which_some_are_odd(folder: Path, odd: tuple[int, ...]) -> Dataset:
    """Sixty PNG files, some cut off."""
    folder.mkdir()
    files = [folder / f"{number:02}.png" for number in range(60)]
    for file, pixels in zip(files, noise(60), strict=True):
        PIL.Image.fromarray(pixels).save(file)
    for number in odd:
        files[number].write_bytes(files[number].read_bytes()[:60])
    return make_dataset(split_of(files, np.arange(60) % 2))


def test_all_odd_images_are_named_at_once(tmp_path: Path) -> None:
    dataset = files_of_which_some_are_odd(tmp_path / "few", (13, 20))
    with pytest.raises(UserError, match=r"dataset demo: 2 images can't be decoded") as refused:
        prepared(tmp_path / "out", dataset)
    assert "--skip-unreadable" in str(refused.value)
    assert all(f"{number}.png" in str(refused.value) for number in (13, 20))
    many = files_of_which_some_are_odd(tmp_path / "many", tuple(range(25)))
    with pytest.raises(UserError, match=r"19\.png") as refused:
        prepared(tmp_path / "out", many)
    assert "20.png" not in str(refused.value)
    assert str(refused.value).endswith("and 5 more")


def test_odd_images_are_left_out_where_asked_for(tmp_path: Path) -> None:
    dataset = files_of_which_some_are_odd(tmp_path / "files", (13, 20))
    made = prepare(replace(wanted(), skip_unreadable=True), dataset, TASK, tmp_path / "out")
    assert sum(made.images.values()) == 58
    assert len(made.unreadable) == 2
    used = np.concatenate([np.load(tmp_path / "out" / f"{split}-indices.npy") for split in ("train", "val", "test")])
    assert set(used) == set(range(60)) - {13, 20}
    assert len(np.load(tmp_path / "out" / "train-images.npy")) == made.images["train"]


def test_images_of_more_than_8_bits_are_scaled_alike(tmp_path: Path) -> None:
    pixels = (np.arange(40 * 64).reshape(40, 8, 8) * 1.5).astype(np.uint16)
    dataset = make_dataset(Split(np.arange(40) % 2, lambda index: pixels[index]))
    made = prepared(tmp_path / "a", dataset)
    assert made.levels == Levels(0, 4095)
    images, indices = (np.load(tmp_path / "a" / f"test-{what}.npy") for what in ("images", "indices"))
    assert np.abs(images[..., 0] - np.rint(pixels[indices].astype(float) * 255 / 4095)).max() == 0
    stated = prepared(tmp_path / "b", replace(dataset, value_range=(0, 65535)))
    assert stated.levels == Levels(0, 65535)
    assert np.load(tmp_path / "b" / "test-images.npy").max() <= 15


def test_rare_classes_stay_in_train_and_what_is_missing_is_said(tmp_path: Path) -> None:
    labels = np.array([0] * 30 + [1] * 30 + list(range(2, 22)))
    images = make_split(noise(80)).image
    dataset = make_dataset(Split(labels, images), classes=tuple(f"c{each}" for each in range(22)))
    made = prepared(tmp_path, dataset)
    found = load(tmp_path, "labels")
    assert set(found["train"]) == set(range(22))
    assert set(found["test"]) <= {0, 1}
    assert len(made.lacking) == 2
    assert made.lacking[1].startswith("test has no image of 20 of 22 classes (c2, c3, ")


def test_the_task_names_and_describes_what_is_predicted(tmp_path: Path) -> None:
    made = prepared(tmp_path, HUNDRED)
    assert (made.task, made.classes, made.described) == ("tasks/single-label", ("a", "b"), "2 classes (a, b)")


def test_splits_have_the_shares_of_the_tasks_own_strata_and_rows_of_labels(tmp_path: Path) -> None:
    labels = np.zeros((100, 3), np.int64)
    labels[::2, 0] = labels[::10, 1] = 1  # one image in two, one in ten and none
    labels[7:17:2, 2] = 1
    dataset = make_dataset(Split(labels, make_split(noise(100)).image), classes=("common", "rare", "rarer"))
    made = prepare(replace(wanted(), task="tasks/multi-label"), dataset, MultiLabel(), tmp_path)
    assert made.described == "3 labels (common, rare, rarer)"
    found, indices = load(tmp_path, "labels"), load(tmp_path, "indices")
    assert all(np.array_equal(found[split], labels[indices[split]]) for split in found)
    assert [(len(found[split]), *found[split].sum(0)) for split in ("train", "test")] == [
        (72, 36, 7, 4),
        (20, 10, 2, 1),
    ]


def test_what_was_prepared_for_another_task_is_not_used(tmp_path: Path) -> None:
    cache, dataset = StageCache(tmp_path / "cache"), make_dataset(make_split(noise(60)), fingerprint="a")
    folders = [
        prepare_cached(replace(wanted(), task=task), dataset, TASK, cache).folder
        for task in ("tasks/single-label", "mine/single-label", "tasks/single-label")
    ]
    assert folders[0] == folders[2] != folders[1]


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"demo: the \d+ training images are all of one class"):
        prepared(tmp_path, make_dataset(make_split(noise(50), classes=1)))


def test_digest_is_of_labels_and_pixels_alone(tmp_path: Path) -> None:
    pixels = noise(60)
    digest = prepared(tmp_path / "a", make_dataset(make_split(pixels))).digest
    elsewhere = make_dataset(make_split(pixels.copy()), domain="other", classes=("x", "y"))
    assert prepared(tmp_path / "b", elsewhere).digest == digest

    changed = pixels.copy()
    changed[17, 2, 3, 0] ^= 1
    assert prepared(tmp_path / "c", make_dataset(make_split(changed))).digest != digest


def test_digest_sees_a_label_where_all_pixels_stay(tmp_path: Path) -> None:
    labels = np.arange(60) % 2
    labels[4] = 1
    relabelled = make_dataset(Split(labels, THREE.train.image), val=THREE.val, test=THREE.test)
    digests = {prepared(tmp_path / each.domain, each).digest for each in (THREE, replace(relabelled, domain="other"))}
    assert len(digests) == 2


def test_what_somebody_has_removed_is_made_again_unless_the_dataset_has_changed(tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "cache")
    pixels = noise(60)
    dataset = make_dataset(make_split(pixels), fingerprint="a")
    made = prepare_cached(wanted(), dataset, TASK, cache)
    assert at_hand(made, lambda: dataset, TASK, lambda: cache) is made
    shutil.rmtree(tmp_path / "cache" / "stages")
    again = at_hand(made, lambda: dataset, TASK, lambda: StageCache(tmp_path / "cache"))
    assert again.digest == made.digest
    assert (again.folder / "train-images.npy").exists()
    shutil.rmtree(tmp_path / "cache" / "stages")
    changed = make_dataset(make_split(noise(60, seed=5)), fingerprint="b")
    with pytest.raises(UserError, match="were removed from the cache during the run, and the dataset has changed"):
        at_hand(made, lambda: changed, TASK, lambda: StageCache(tmp_path / "cache"))


def test_a_dataset_that_states_no_fingerprint_is_decoded_again_where_its_files_are_not(tmp_path: Path) -> None:
    made = prepared(tmp_path / "here", THREE)
    shutil.rmtree(tmp_path / "here")
    again = at_hand(made, lambda: THREE, TASK, lambda: StageCache(tmp_path / "cache"))
    assert again.digest == made.digest
    assert again.folder != made.folder
    assert (again.folder / "train-images.npy").exists()


def test_a_prepared_dataset_lies_in_the_cache_of_the_machine_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "here"))
    dataset = make_dataset(make_split(noise(60)), fingerprint="a")
    made = pickle.loads(pickle.dumps(prepare_cached(wanted(), dataset, TASK, StageCache())))
    assert (made.folder / "train-images.npy").exists()
    monkeypatch.setenv("TLBENCH_CACHE", str(tmp_path / "there"))
    assert not made.folder.exists()
    again = at_hand(made, lambda: dataset, TASK, StageCache)
    assert again.folder.is_relative_to(tmp_path / "there")
    assert again.digest == made.digest
