"""The single-label classification sets of torchvision, a row each, and how a row becomes a dataset.

Imports no torch: a set is read only when it is loaded.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tlbench import UserError
from tlbench.contracts import Dataset, Split, SplitOptions
from tlbench.toolkit import data_root

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class TorchvisionOptions(SplitOptions):
    """How many images to use of each split."""


@dataclass(frozen=True)
class Row:
    """One set: its class in torchvision.datasets and the arguments that open each of its splits."""

    cls: str
    native_size: int
    domain: str
    summary: str
    licence: str = "not stated"
    train: Mapping[str, Any] = field(default_factory=lambda: {"train": True})
    test: Mapping[str, Any] | None = field(default_factory=lambda: {"train": False})
    val: Mapping[str, Any] | None = None


def _splits(train: str, test: str, val: str | None = None) -> dict[str, Any]:
    return {"train": {"split": train}, "test": {"split": test}, "val": {"split": val} if val else None}


def _single() -> dict[str, Any]:
    return {"train": {}, "test": None}


CATALOGUE: dict[str, Row] = {
    "cifar10": Row("CIFAR10", 32, "natural", "60,000 photos of 10 kinds of things, 32×32"),
    "cifar100": Row("CIFAR100", 32, "natural", "60,000 photos of 100 kinds of things, 32×32"),
    "mnist": Row("MNIST", 28, "handwriting", "70,000 handwritten digits, 28×28", "CC-BY-SA-3.0"),
    "fashion-mnist": Row("FashionMNIST", 28, "products", "70,000 images of clothes, 10 kinds, 28×28", "MIT"),
    "kmnist": Row("KMNIST", 28, "handwriting", "70,000 cursive Japanese characters, 28×28", "CC-BY-SA-4.0"),
    "usps": Row("USPS", 16, "handwriting", "9,298 digits from envelopes, 16×16"),
    "semeion": Row("SEMEION", 16, "handwriting", "1,593 handwritten digits, 16×16", "CC-BY-4.0", **_single()),
    "svhn": Row("SVHN", 32, "street", "99,289 house numbers, 32×32", **_splits("train", "test")),
    "stl10": Row("STL10", 96, "natural", "13,000 photos of 10 kinds of things, 96×96", **_splits("train", "test")),
    "flowers": Row(
        "Flowers102", 500, "plants", "8,189 photos of 102 kinds of flowers", **_splits("train", "test", "val")
    ),
    "pets": Row(
        "OxfordIIITPet",
        350,
        "animals",
        "7,349 photos of 37 breeds",
        "CC-BY-SA-4.0",
        **_splits("trainval", "test"),
    ),
    "dtd": Row("DTD", 480, "textures", "5,640 photos of 47 textures", **_splits("train", "test", "val")),
    "eurosat": Row("EuroSAT", 64, "satellite", "27,000 satellite tiles of 10 land uses", "MIT", **_single()),
    "food101": Row("Food101", 384, "food", "101,000 photos of 101 dishes", **_splits("train", "test")),
    "gtsrb": Row("GTSRB", 43, "traffic signs", "39,270 photos of 43 traffic signs", **_splits("train", "test")),
    "aircraft": Row(
        "FGVCAircraft",
        700,
        "aircraft",
        "10,000 photos of 100 aircraft variants",
        **_splits("train", "test", "val"),
    ),
    "sun397": Row("SUN397", 400, "scenes", "108,754 photos of 397 scenes", **_single()),
    "caltech101": Row("Caltech101", 200, "natural", "8,677 photos of 101 kinds of things", **_single()),
    "caltech256": Row("Caltech256", 300, "natural", "30,607 photos of 257 kinds of things", **_single()),
    "country211": Row(
        "Country211", 300, "places", "63,300 photos from 211 countries", **_splits("train", "test", "valid")
    ),
    "rendered-sst2": Row(
        "RenderedSST2", 448, "text", "9,613 rendered sentences, 2 moods", **_splits("train", "test", "val")
    ),
    "imagenette": Row(
        "Imagenette",
        375,
        "natural",
        "13,394 photos of 10 ImageNet classes",
        "Apache-2.0",
        **_splits("train", "val"),
    ),
    "pcam": Row(
        "PCAM",
        96,
        "histology",
        "327,680 tissue patches (needs h5py)",
        "CC0-1.0",
        **_splits("train", "test", "val"),
    ),
}


def load(name: str, _options: TorchvisionOptions) -> Dataset:
    """A set of the catalogue: from the data root, else from where the system has it, else downloaded.

    Raises UserError with the remedies where it is not available.
    """
    row = CATALOGUE[name]
    present = _open(row, download=False)
    if present is None and name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir():
        return _debian_fashion_mnist(row)
    if present is None:
        try:
            present = _open(row, download=True)
        except Exception as error:
            raise UserError(_unavailable(name, error)) from error
    if present is None:
        raise UserError(_unavailable(name, "torchvision still does not find it after the download"))
    train = present["train"]
    splits = {split: _split(source) for split, source in present.items()}
    return Dataset(
        classes=_classes(train, np.asarray(splits["train"].labels)),
        train=splits["train"],
        val=splits.get("val"),
        test=splits.get("test"),
        native_size=row.native_size,
        domain=row.domain,
        licence=row.licence,
        fingerprint=_fingerprint(name, splits),
    )


def present(name: str, _options: TorchvisionOptions) -> bool:
    """Whether a set lies on this machine."""
    here = name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir()
    return here or _open(CATALOGUE[name], download=False) is not None


def _fingerprint(name: str, splits: Mapping[str, Split]) -> str:
    """Of the set's name, torchvision's release and all labels: torchvision checks the files that it downloads."""
    digest = hashlib.sha256(f"{name} {version('torchvision')} {data_root()}".encode())
    for split in sorted(splits):
        digest.update(np.asarray(splits[split].labels, dtype=np.int64).tobytes())
    return f"torchvision {digest.hexdigest()}"


def _open(row: Row, *, download: bool) -> dict[str, Any] | None:
    """Open the row's splits with torchvision; None where they are not on this machine."""
    import torchvision.datasets

    cls = getattr(torchvision.datasets, row.cls)
    arguments = {"train": row.train, "val": row.val, "test": row.test}
    try:
        return {
            split: cls(str(data_root()), download=download, **given)
            for split, given in arguments.items()
            if given is not None
        }
    except (RuntimeError, FileNotFoundError):
        if download:
            raise
        return None


def _unavailable(name: str, why: object) -> str:
    remedies = [
        f"put torchvision's files of it under {data_root()} (or name another folder with --data-root)",
        "run once with network",
        "use a dataset that is here: `digits`, or your own images with `folder:PATH`",
    ]
    if name == "fashion-mnist":
        remedies.insert(0, "on Debian or Ubuntu, `apt install dataset-fashion-mnist`")
    return (
        f"dataset torchvision/{name} is not on this machine and can't be downloaded ({why}). "
        f"Remedies: {'; '.join(remedies)}"
    )


def _split(source: Any) -> Split:
    return Split(labels=_labels(source), image=lambda index: source[index][0], describe="example {}".format)


def _labels(source: Any) -> np.ndarray:
    """The labels of a torchvision dataset without decoding its images: each class keeps them elsewhere."""
    for name in ("targets", "_labels", "labels", "y"):
        if (labels := getattr(source, name, None)) is not None:
            return np.asarray(labels, dtype=np.int64)
    if (samples := getattr(source, "_samples", None)) is not None:
        return np.asarray([label for _, label in samples], dtype=np.int64)
    return np.asarray([source[index][1] for index in range(len(source))], dtype=np.int64)


def _classes(source: Any, labels: Sequence[int] | np.ndarray) -> list[str]:
    names = getattr(source, "classes", None) or getattr(source, "categories", None)
    if names:
        return [name if isinstance(name, str) else ", ".join(name) for name in names]
    return [str(number) for number in range(int(np.max(labels)) + 1)]


FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def _debian_fashion_mnist(row: Row) -> Dataset:
    def read(prefix: str) -> Split:
        with gzip.open(DEBIAN_FASHION_MNIST / f"{prefix}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
        with gzip.open(DEBIAN_FASHION_MNIST / f"{prefix}-images-idx3-ubyte.gz") as file:
            images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(len(labels), 28, 28)
        return Split(labels, images.__getitem__)

    train, test = read("train"), read("t10k")
    return Dataset(
        FASHION_CLASSES,
        train,
        row.native_size,
        test=test,
        domain=row.domain,
        licence=row.licence,
        fingerprint=_fingerprint("fashion-mnist of Debian", {"train": train, "test": test}),
    )
