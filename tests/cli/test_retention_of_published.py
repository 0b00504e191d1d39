"""Published weights measured again on images of their own classes, before and after adaptation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import timm.data.imagenet_info
import torch
from conftest import Cli, Finished, Once, run_cli
from sklearn.datasets import load_sample_image

from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

SIZE = 96
PHOTOS = {"china.jpg": "n03877845", "flower.jpg": "n11939491"}
"""scikit-learn's photographs, and the classes of ImageNet that they are taken for here: palace, daisy."""


def crops(name: str, seed: int, number: int) -> list[PIL.Image.Image]:
    """Random crops of a photograph, in the size of the model's input."""
    photo, generator = load_sample_image(name), np.random.default_rng(seed)
    found = []
    for _ in range(number):
        side = int(generator.integers(300, 427))
        top, left = (int(generator.integers(0, edge - side + 1)) for edge in photo.shape[:2])
        found.append(PIL.Image.fromarray(photo[top : top + side, left : left + side]).resize((SIZE, SIZE)))
    return found


@pytest.fixture(scope="module")
def run(once: Once) -> Finished:
    """Two strategies on digits, with photographs of two classes as what the weights were trained on."""
    asked = ("--datasets", "digits:train=60:test=20", "--image-size", str(SIZE), "--epochs", "2", "--retention")

    def make(folder: Path) -> Finished:
        photographs(folder / "photos")
        source = ("--source-data", f"folder:{folder / 'photos'}", "--strategies", "freeze,full,scratch", "--json")
        return run_cli("run", *asked, *source, cwd=folder)

    _, finished = once("published", make)
    assert finished.status == 0, finished.stderr
    return finished


def photographs(root: Path) -> None:
    """An ImageNet-style folder of two classes."""
    for name, wnid in PHOTOS.items():
        for split, seed, number in (("train", 0, 6), ("test", 1, 8)):
            (root / split / wnid).mkdir(parents=True)
            for place, image in enumerate(crops(name, seed, number)):
                image.save(root / split / wnid / f"{place}.png")


def of(finished: Finished, strategy: str) -> dict[str, object]:
    (found,) = (
        record["retention"]
        for record in finished.records
        if record["trial"]["cell"]["strategy"] == f"builtin/{strategy}"
    )
    return found


@pytest.mark.slow
def test_before_is_what_a_plain_loop_over_the_published_model_gets(run: Finished) -> None:
    backbone = Registry.of(load_plugins()).backbones.resolve("efficientnet_lite0").load()
    assert backbone.published is not None
    module = backbone.published(SIZE).eval()
    classes = timm.data.imagenet_info.ImageNetInfo().label_names()
    right = []
    for name, wnid in PHOTOS.items():
        images = np.stack([np.asarray(image) for image in crops(name, 1, 8)])
        batch = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
        with torch.inference_mode():
            right += [classes[place] == wnid for place in module(batch).argmax(1).tolist()]
    assert of(run, "freeze")["before"] == pytest.approx(np.mean(right))
    assert of(run, "freeze")["test_images"] == len(right) == 16


@pytest.mark.slow
def test_freeze_forgets_nothing_and_full_can(run: Finished) -> None:
    freeze, full = of(run, "freeze"), of(run, "full")
    assert freeze["forgetting"] == 0 and freeze["probe_forgetting"] == 0
    assert full["before"] == freeze["before"] and full["probe_before"] == freeze["probe_before"]
    assert full["forgetting"] == pytest.approx(full["before"] - full["after"])  # type: ignore[operator]
    assert "no published ones" in str(of(run, "scratch")["reason"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source-data", "digits"), "--source-data digits is what --retention measures on; give that, too"),
        (("--source-data", "digits", "--retention"), "0, 1, 2"),
        (("--source-data", "digit-angles", "--retention"), "its task is tasks/regression"),
        (("--source-data", "digitz", "--retention"), "unknown dataset 'digitz'"),
    ],
)
def test_images_that_published_weights_do_not_know_are_refused(
    cli_here: Cli, arguments: tuple[str, ...], said: str
) -> None:
    ended = cli_here("run", "--datasets", "digit-grids:train=60:test=40", "--strategies", "full", *arguments)
    assert ended.status == 2 and said in ended.stderr, ended.stderr
