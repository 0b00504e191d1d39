"""A dataset made of one of another library: torchvision's, any with `len` and items, or Hugging Face's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tlbench.contracts.dataset import Dataset, Split
from tlbench.errors import UserError

if TYPE_CHECKING:
    import PIL.Image

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LABEL_COLUMNS = ("label", "labels", "fine_label", "target")
LOOKED_AT = 16
"""Images whose sizes are looked at for the native size."""

Image = Callable[[int], "PIL.Image.Image | np.ndarray"]


def dataset_of(given: object) -> Dataset:
    """A dataset of a `Dataset`; of one with `len` and items (image, label); of Hugging Face's; of (train, test).

    A mapping has the splits `train`, `val` (or `validation`) and `test`; what is left out is cut from train. Images are
    PIL images, arrays H×W×C, or tensors C×H×W of uint8 or of floats in 0..1: give it without `Normalize`, `Resize` and
    augmentation, which are the protocol's. Labels are numbers of classes, rows of zeros and ones (multi-label) or
    floats (regression). Raises UserError where it is none of these.
    """
    if isinstance(given, Dataset):
        return given
    splits = {name: _source(name, each) for name, each in _named(given).items()}
    train = splits["train"]
    everything = np.concatenate([np.asarray(each.labels) for each in splits.values()])
    task, classes = _task(everything, train.classes)
    shape = np.asarray(train.image(0)).shape
    channels = shape[2] if len(shape) == 3 and shape[2] not in (1, 3, 4) else 3
    return Dataset(
        classes=classes,
        train=train.split,
        val=splits["val"].split if "val" in splits else None,
        test=splits["test"].split if "test" in splits else None,
        native_size=train.shorter_side(),
        fingerprint=_fingerprint(splits),
        task=task,
        channels=channels,
    )


@dataclass(frozen=True)
class _Source:
    """One split of another library."""

    labels: Sequence[Any] | np.ndarray
    image: Image
    classes: Sequence[str] | None
    fingerprint: str | None = None

    @property
    def split(self) -> Split:
        return Split(np.asarray(self.labels), self.image)

    def shorter_side(self) -> int:
        """The usual length of an image's shorter side, in pixels."""
        looked_at = range(0, len(self.labels), max(1, len(self.labels) // LOOKED_AT))
        sides = [min(np.asarray(self.image(place)).shape[:2]) for place in looked_at]
        return round(float(statistics.median(sides)))


def _named(given: object) -> dict[str, object]:
    """The splits of what was given, by name."""
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        return dict(zip(("train", "test") if len(given) == 2 else ("train", "val", "test"), given, strict=True))
    if not isinstance(given, Mapping):
        return {"train": given}
    unknown = [name for name in given if name not in SPLITS]
    if unknown or "train" not in given:
        raise UserError(f"a dataset's splits are train, val and test, of which train is needed; not {', '.join(given)}")
    return {SPLITS[name]: each for name, each in given.items()}


def _source(name: str, given: Any) -> _Source:
    if hasattr(given, "features") and hasattr(given, "column_names"):
        return _of_hugging_face(given)
    if not (hasattr(given, "__getitem__") and hasattr(given, "__len__")):
        raise UserError(
            f"the split {name} is a {type(given).__name__}, which has no items by number; give a tlbench.Dataset, a "
            f"dataset with len and items (image, label), or one of Hugging Face"
        )
    if len(given) == 0:
        raise UserError(f"the split {name} is empty")
    first = given[0]
    if not (isinstance(first, tuple | list) and len(first) == 2):
        raise UserError(f"item 0 of the split {name} is a {type(first).__name__}; it must be a pair (image, label)")
    classes = getattr(given, "classes", None)
    return _Source(_labels(given), lambda place: _image(given[place][0]), classes)


def _labels(given: Any) -> Sequence[Any] | np.ndarray:
    """The labels without decoding an image where the dataset has them apart."""
    if hasattr(given, "indices") and hasattr(given, "dataset"):  # torch.utils.data.Subset
        whole = _labels(given.dataset)
        return [whole[place] for place in given.indices]
    if getattr(given, "target_transform", None) is None and getattr(given, "transforms", None) is None:
        for name in ("targets", "labels"):
            if (found := getattr(given, name, None)) is not None and len(found) == len(given):
                return np.asarray(found)
    return [np.asarray(given[place][1]) for place in range(len(given))]


def _of_hugging_face(given: Any) -> _Source:
    kinds = {name: type(feature).__name__ for name, feature in given.features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    classed = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    labels = classed or [name for name in LABEL_COLUMNS if name in kinds]
    if len(images) != 1 or not labels:
        raise UserError(
            f"a dataset of Hugging Face needs one column of images and one of labels (ClassLabel, or named label); it "
            f"has {', '.join(f'{name} ({kind})' for name, kind in kinds.items())}"
        )
    plain = given.with_format(None)
    names = getattr(given.features[labels[0]], "names", None)
    (image,) = images
    return _Source(
        plain[labels[0]][:], lambda place: _image(plain[place][image]), names, getattr(given, "_fingerprint", None)
    )


def _image(found: Any) -> PIL.Image.Image | np.ndarray:
    """An image as a `Split` gives it; raises UserError on a normalised tensor."""
    if not hasattr(found, "detach"):
        return found  # type: ignore[no-any-return]
    array: np.ndarray = found.detach().cpu().numpy()
    if array.ndim == 3:
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == "f" and not (array.min() >= 0 and array.max() <= 1):
        raise UserError(
            f"an image is a tensor from {array.min():.3g} to {array.max():.3g}; give the dataset without Normalize: "
            f"pixels are uint8, or floats in 0..1"
        )
    return array


def _task(labels: np.ndarray, classes: Sequence[str] | None) -> tuple[str, Sequence[str]]:
    """The task that labels are of, and the names of its outputs."""
    if labels.dtype.kind == "f":
        number = labels.shape[1] if labels.ndim == 2 else 1
        return "regression", classes or [f"target {place}" for place in range(number)]
    if labels.ndim == 2:
        return "multi-label", classes or [str(place) for place in range(labels.shape[1])]
    return "single-label", classes or [str(place) for place in range(int(labels.max()) + 1)]


def _fingerprint(splits: Mapping[str, _Source]) -> str | None:
    """What changes with any split; None where one does not say."""
    parts = [each.fingerprint for each in splits.values()]
    return None if None in parts else " ".join(map(str, parts))
