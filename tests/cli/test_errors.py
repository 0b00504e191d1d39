"""Bad input gets one clear sentence, exit status 2, and nothing runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import QUICK, Cli, PluginMaker


@pytest.fixture
def cli(cli_warm: Cli) -> Cli:
    return cli_warm


def write_images(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 12) -> Path:
    """An image folder of noise."""
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--backbones", "resnet5O"), "unknown backbone 'resnet5O'; did you mean resnet50 or "),
        (
            ("--backbones", "torchvison/resnet50"),
            "no plugin named 'torchvison' has backbones; did you mean torchvision",
        ),
        (("--strategies", "freze"), "'freze'; did you mean freeze?; `tlbench list strategies` shows all"),
        (("--datasets", "digit"), "unknown dataset 'digit'; did you mean digits or digit-grids?"),
        (("--datasets", "digits:train=many"), "option train of dataset packaged/digits is float and can't be 'many'"),
        (("--datasets", "digits:size=3"), "dataset packaged/digits has no option 'size' (it has: train, val, test)"),
        (("--datasets", "digits:train=5000"), "train=5000 is more than the 1797 images"),
        (("--datasets", "digits:train=1700"), "beside 170 val and 359 test images, 1268 of 1797 are left"),
        (("--datasets", "folder"), "dataset packaged/folder needs its option path"),
        (("--datasets", "folder:nowhere"), "dataset folder: nowhere is missing"),
        (("--strategies", "freeze:x"), "strategy builtin/freeze: 'x' is not of the form option=value"),
        (("--seeds", "0"), "--seeds 0: Input should be greater than or equal to 1"),
        (("--epochs", "0"), "--epochs 0: Input should be greater than or equal to 1"),
        (
            ("--jobs", "all"),
            "unable to parse string as an integer; or: Input should be 'auto'",
        ),
        (("--batch-size", "-1"), "--batch-size -1"),
        (("--precision", "fp8"), "--precision 'fp8': Input should be 'auto', 'fp32', 'bf16' or 'fp16'"),
        (("--device", "tpu"), "--device 'tpu'"),
        (("--device", "cuda:99"), "device 'cuda:99' is not available; --device auto"),
        (("--datasets", ""), "name at least one"),
        (("--weights", "none.pt"), "weights 'none.pt' is none of auto, pretrained, random"),
        (("--name", "a/b"), "--name 'a/b' can't name a folder"),
        (("--no-plugin", "tim"), "there is no plugin named 'tim' to disable; did you mean timm?"),
        (
            ("--backbones", "alexnet", "--weights", "random", "--image-size", "32"),
            "backbone torchvision/alexnet does not take the 32-pixel images of packaged/digits",
        ),
        (("--image-size", "4"), "backbone packaged/small_cnn does not take the 4-pixel images"),
        (("--datasets", "cifar10"), "dataset torchvision/cifar10 is not on this machine and can't be downloaded"),
    ],
)
def test_one_sentence_and_nothing_runs(cli_here: Cli, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    environment = {"TLBENCH_DATA_ROOT": str(tmp_path / "data")}
    finished = cli_here("run", *QUICK[4:], *arguments, environment=environment)
    assert said in finished.stderr
    assert finished.status == 2
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_the_remedies_of_a_size_and_of_a_dataset(cli: Cli, tmp_path: Path) -> None:
    too_small = cli("run", "--backbones", "alexnet", "--weights", "random", "--image-size", "32")
    assert "it takes 64: --image-size 64" in too_small.stderr
    absent = cli("run", "--datasets", "cifar10", environment={"TLBENCH_DATA_ROOT": str(tmp_path / "data")})
    for remedy in (str(tmp_path / "data"), "--data-root", "run once with network", "`folder:PATH`"):
        assert remedy in absent.stderr


def test_folders_that_are_empty_or_one_sided(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "one", ("cat",))
    write_images(tmp_path / "hollow", ("cat", "dog"))
    (tmp_path / "hollow" / "eel").mkdir()
    (tmp_path / "file").touch()
    for folder, said in (
        ("empty", "empty is empty: it needs a folder of images for each class"),
        ("one", "has the one class 'cat'"),
        ("hollow", "the class 'eel' has no images in hollow/eel"),
        ("file", "file is a file, not a folder"),
    ):
        finished = cli("run", "--datasets", f"folder:{folder}")
        assert said in finished.stderr
        assert finished.status == 2


@pytest.mark.slow
def test_an_image_that_cannot_be_decoded_is_named(cli: Cli, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos")
    (folder / "dog" / "broken.jpg").write_bytes(b"\xff\xd8 not a photo")
    finished = cli("run", "--backbones", "small_cnn", "--datasets", "folder:photos", "--strategies", "scratch")
    assert finished.status == 2
    assert "1 image can't be decoded; repair or remove them" in finished.stderr
    assert "photos/dog/broken.jpg: cannot identify" in finished.stderr
    skipped = cli(
        "run",
        "--backbones",
        "small_cnn",
        "--datasets",
        "folder:photos",
        "--strategies",
        "scratch",
        "--skip-unreadable",
        "--json",
    )
    assert skipped.status == 0
    assert [record["data"]["unreadable_images"] for record in skipped.records] == [1]
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="as another user, a read-only folder would do")
def test_a_results_folder_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for folder in ("taken", "/proc/results"):
        finished = cli("run", *QUICK, "--results", folder)
        assert finished.status == 2
        assert "name another" in finished.stderr
        assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_a_name_that_another_plan_has(trained: tuple[Path, object], cli: Cli) -> None:
    results = str(trained[0] / "results")
    finished = cli(
        *("run", "--results", results, "--name", "trained", "--seeds", "2", "--epochs", "3"),
        *("--image-size", "32"),
        *("--datasets", "digits:train=200:test=100"),
    )
    assert finished.status == 2
    assert "exists with a different plan (protocol.epochs 2 there, 3 here)" in finished.stderr


def test_debug_shows_the_traceback(cli: Cli) -> None:
    finished = cli("run", "--datasets", "folder:nowhere", "--debug")
    assert "Traceback" in finished.stderr
    assert finished.status != 0


def test_unknown_runs_are_suggested(trained: tuple[Path, object], cli: Cli) -> None:
    finished = cli("show", "trainde", "--results", str(trained[0] / "results"))
    assert finished.status == 2
    assert "there is no run 'trainde'" in finished.stderr
    assert "did you mean trained?" in finished.stderr


WRONG = """
from tlbench import Backbone, hookimpl

tlbench_api = 1

def build(num_classes, *, image_size, pretrained):
    from torch import nn
    layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)]
    return nn.Sequential(*layers)

@hookimpl
def tlbench_register_backbones(register):
    register("no-head", lambda options: Backbone(build, head="5"))
    register("no-block", lambda options: Backbone(build, head="4", blocks=lambda model: ["0", "conv1"]))
    register("head-among", lambda options: Backbone(build, head="4", blocks=lambda model: ["0", "1", "4"]))
    register("twice", lambda options: Backbone(build, head="4", blocks=lambda model: ["0", "0"]))
    register("none", lambda options: Backbone(build, head="4", blocks=lambda model: []))
"""


def test_a_run_with_a_backbone_whose_head_cannot_be_is_refused_by_name(cli: Cli, plugin: PluginMaker) -> None:
    plugin("wrong", WRONG)
    finished = cli(
        "run", "--datasets", "digits:train=64:test=40", "--backbones", "wrong/no-head", environment=plugin.environment
    )
    assert finished.status == 2
    assert "backbone wrong/no-head: head='5' names no module" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no-head", "backbone wrong/no-head: head='5' names no module"),
        ("no-block", "backbone wrong/no-block: blocks= has 'conv1', which names no module"),
        ("head-among", "backbone wrong/head-among: blocks= has '4', which overlaps the head '4'"),
        ("twice", "backbone wrong/twice: blocks= has '0' twice; name each block once"),
        ("none", "backbone wrong/none: blocks= gives no block, and the body has parameters"),
    ],
)
def test_a_backbone_whose_head_or_blocks_cannot_be_is_told_of_where_it_is_listed(
    cli: Cli, plugin: PluginMaker, name: str, said: str
) -> None:
    plugin("wrong", WRONG)
    finished = cli("list", "-v", "backbones", f"wrong/{name}", environment=plugin.environment)
    assert finished.status == 2
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.slow
def test_file_names_that_are_not_utf_8_are_read_and_escaped(cli: Cli, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", (os.fsdecode(b"caf\xe9"), "dog"))
    (folder / "dog" / os.fsdecode(b"broken\xff.png")).write_bytes(b"no image")
    options = ("--backbones", "small_cnn", "--strategies", "scratch", "--epochs", "1", "--json")
    named = cli("run", "--datasets", "folder:photos", *options)
    assert named.status == 2
    assert "broken\\udcff.png: cannot identify image file" in named.stderr
    done = cli("run", "--datasets", "folder:photos", *options, "--skip-unreadable")
    assert done.status == 0, done.stderr
    assert done.records[0]["data"]["names"] == ["caf\\udce9", "dog"]
    folder.rename(tmp_path / os.fsdecode(b"photos\xff"))
    refused = cli("run", "--datasets", os.fsdecode(b"folder:photos\xff"), *options)
    assert refused.status == 2
    assert "folder:photos\\udcff is not UTF-8" in refused.stderr


def test_the_example_of_the_page_on_data_is_what_a_run_says(cli: Cli, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split, number in (("Train", 40), ("Testing", 15)):
        for place, name in enumerate(("cat", "dog", "eel")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for image in range(3 if name == "eel" else number):
                pixels = random.integers(0, 255, (24, 30, 3), dtype=np.uint8)
                pixels[..., place] //= 3
                PIL.Image.fromarray(pixels).save(folder / f"{image}.png")
    for image in range(9):
        shutil.copy(tmp_path / f"photos/Train/cat/{image}.png", tmp_path / f"photos/Testing/cat/{image}.png")
    (tmp_path / "photos" / "Train" / ".DS_Store").touch()
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
    example = page.split("```")[1].strip().splitlines()
    options = ("--backbones", "small_cnn", "--strategies", "scratch", "--epochs", "1")
    said = cli("run", "--datasets", "folder:photos", *options).stderr.splitlines()
    assert [line for line in said if line.startswith("packaged/folder:path=photos: ")] == example
