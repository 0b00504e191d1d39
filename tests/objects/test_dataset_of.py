"""A dataset of torchvision's kind, of Hugging Face's, or of splits of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Subset, TensorDataset
from torchvision import datasets as torchvision_datasets
from torchvision.transforms import v2

from tlbench import Dataset, Split, UserError
from tlbench.objects.images import dataset_of

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 8, 3), np.uint8)


class Photos(TorchDataset):  # type: ignore[type-arg]
    """Twelve images of three classes, as torchvision's datasets have them."""

    classes = ("ant", "bee", "cat")

    def __init__(self, transform: Any = None) -> None:
        self.targets = [place % 3 for place in range(12)]
        self.transform = transform
        self.decoded = 0

    def __len__(self) -> int:
        return 12

    def __getitem__(self, place: int) -> tuple[Any, int]:
        self.decoded += 1
        image = PIL.Image.fromarray(PIXELS[place])
        return (self.transform(image) if self.transform else image), self.targets[place]


def test_labels_and_classes_are_taken_without_decoding_and_the_rest_is_cut_from_train() -> None:
    photos = Photos()
    found = dataset_of(photos)
    assert (found.classes, found.task, found.native_size, found.channels) == (
        ("ant", "bee", "cat"),
        "single-label",
        8,
        3,
    )
    assert found.val is None and found.test is None and found.fingerprint is None
    assert list(found.train.labels) == photos.targets
    assert photos.decoded <= 17
    assert np.array_equal(np.asarray(found.train.image(5)), PIXELS[5])


def test_a_pair_is_train_and_test_and_a_mapping_has_named_splits() -> None:
    pair = dataset_of((Subset(Photos(), [0, 1, 2, 3]), Subset(Photos(), [4, 5])))
    assert list(pair.train.labels) == [0, 1, 2, 0]
    assert pair.test is not None and list(pair.test.labels) == [1, 2] and pair.classes == ["0", "1", "2"]
    assert np.array_equal(np.asarray(pair.test.image(1)), PIXELS[5])
    named = dataset_of({"train": Photos(), "validation": Photos(), "test": Photos()})
    assert named.val is not None and named.test is not None and len(named.val) == 12


@pytest.mark.parametrize(
    "transform", [v2.Compose([v2.ToImage()]), v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])]
)
def test_tensors_become_arrays_of_the_same_values(transform: Any) -> None:
    image = dataset_of(Photos(transform)).train.image(3)
    scaled = np.asarray(image) * (255 if np.asarray(image).dtype.kind == "f" else 1)
    assert np.allclose(scaled, PIXELS[3], atol=1e-3)


def test_a_normalised_tensor_is_refused() -> None:
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.1] * 3)])
    with pytest.raises(UserError, match="give the dataset without Normalize"):
        dataset_of(Photos(transform))


def test_the_task_follows_from_the_labels() -> None:
    images = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    assert dataset_of(TensorDataset(images, torch.arange(12) % 2)).task == "single-label"
    many = dataset_of(TensorDataset(images, (torch.arange(24) % 2).reshape(12, 2)))
    assert (many.task, many.classes) == ("multi-label", ["0", "1"])
    number = dataset_of(TensorDataset(images, torch.rand(12)))
    assert (number.task, number.classes) == ("regression", ["target 0"])


def test_images_of_other_channels_keep_them() -> None:
    images = torch.randint(0, 256, (6, 5, 8, 8), dtype=torch.uint8)
    assert dataset_of(TensorDataset(images, torch.arange(6) % 2)).channels == 5


def test_torchvisions_fake_data_is_read_by_its_items() -> None:
    found = dataset_of(torchvision_datasets.FakeData(8, (3, 9, 9), 4))
    assert len(found.train) == 8 and found.native_size == 9


def test_hugging_faces_datasets_have_their_columns_found() -> None:
    hf = pytest.importorskip("datasets")
    features = hf.Features({"picture": hf.Image(), "kind": hf.ClassLabel(names=["ant", "bee"])})
    images = [PIL.Image.fromarray(each) for each in PIXELS]
    one = hf.Dataset.from_dict({"picture": images, "kind": [place % 2 for place in range(12)]}, features=features)
    found = dataset_of(hf.DatasetDict({"train": one, "test": one.select(range(4))}))
    assert (found.classes, found.native_size) == (["ant", "bee"], 8)
    assert found.test is not None and list(found.test.labels) == [0, 1, 0, 1]
    assert np.array_equal(np.asarray(found.train.image(3)), PIXELS[3])
    assert found.fingerprint is not None
    assert found.fingerprint != dataset_of(one).fingerprint
    with pytest.raises(UserError, match=r"needs one column of images and one of labels .* it has kind \(ClassLabel\)"):
        dataset_of(one.remove_columns("picture"))


def test_a_dataset_is_one() -> None:
    made = Dataset(("a", "b"), Split([0, 1], lambda place: PIXELS[place]), 8)
    assert dataset_of(made) is made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "the split train is a int, which has no items by number"),
        ([], "the split train is empty"),
        ({"train": Photos(), "dev": Photos()}, "a dataset's splits are train, val and test"),
        ({"test": Photos()}, "of which train is needed; not test"),
    ],
)
def test_what_is_no_dataset_says_why(given: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        dataset_of(given)
