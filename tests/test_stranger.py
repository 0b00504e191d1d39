"""A stranger's package: a wheel with a backbone, a dataset and a strategy of its own, installed beside tlbench."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "acme-vision"
version = "2.1"
dependencies = ["tlbench"]
[project.entry-points.tlbench]
acme = "acme_vision"
"""

MODULE = '''
"""Backbones, datasets and strategies of the ACME corporation."""
from pydantic import Field
from tlbench import Backbone, Dataset, Options, Preprocessing, Rewrite, Split, SplitOptions, Train, hookimpl, strategy

tlbench_api = 1


class TinyOptions(Options):
    width: int = Field(8, ge=1, description="channels")


def tiny(options):
    from torch import nn

    def build(num_classes, *, image_size, pretrained):
        body = nn.Sequential(nn.Conv2d(3, options.width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(body, nn.Linear(options.width, num_classes))

    return Backbone(build, head="1", preprocessing=Preprocessing((0.5,) * 3, (0.5,) * 3))


def stripes(options):
    import numpy as np

    labels = np.arange(200) % 2

    def image(index):
        noise = np.random.default_rng(index).integers(0, 60, (16, 16), dtype=np.uint8)
        lines = np.zeros((16, 16), np.uint8)
        lines[(slice(None, None, 4), slice(None)) if labels[index] else (slice(None), slice(None, None, 4))] = 190
        return lines + noise

    return Dataset(["upright", "lying"], Split(labels, image), native_size=16, domain="synthetic")


class HalfwayOptions(Options):
    alpha: float = Field(0.5, ge=0, le=1)


@strategy("halfway", options=HalfwayOptions, learning_rates={"adamw": 1e-2})
def halfway(model, options):
    """Train all, then go back part of the way to the start."""
    import torch

    start = {name: tensor.detach().clone() for name, tensor in model.parameters(model.body)}
    yield Train(model.head, epochs=0.5)
    yield Train(model.everything)

    def interpolate(m):
        with torch.no_grad():
            for name, tensor in m.parameters(m.body):
                tensor.lerp_(start[name], options.alpha)

    yield Rewrite(interpolate)


@hookimpl
def tlbench_register_backbones(register):
    register("tiny", tiny, options=TinyOptions, summary="one convolution")


@hookimpl
def tlbench_register_datasets(register):
    register("stripes", stripes, options=SplitOptions, summary="upright and lying stripes")


@hookimpl
def tlbench_register_strategies(register):
    register(halfway)
'''  # fmt: skip

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tlbench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tlbench` of a fresh virtual environment into which both wheels were installed.

    The third-party packages (5 GB of torch among them) are this environment's own, by a path file behind
    everything else; tlbench and the stranger's package come from their wheels alone.
    """
    folder = tmp_path_factory.mktemp("stranger")
    source = folder / "acme"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "acme_vision.py").write_text(MODULE)
    for project in (ROOT, source):
        build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "-w", str(folder / "wheels"), str(project)], check=True)
    environment = folder / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    wheels = [str(wheel) for wheel in (folder / "wheels").iterdir()]
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, *wheels], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "zz_shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin" / "tlbench"


@pytest.mark.slow
def test_the_cross_product_of_a_strangers_components_and_the_built_in_ones(tlbench: Path, tmp_path: Path) -> None:
    command = [
        *(str(tlbench), "run", "--json", "--epochs", "2"),
        *("--backbones", "acme/tiny:width=16,small_cnn"),
        *("--datasets", "stripes:test=60,digits:train=64:test=40"),
        *("--strategies", "freeze,halfway:alpha=0.25"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    cells = [record["trial"]["cell"] for record in records]
    assert [(cell["dataset"], cell["backbone"], cell["strategy"]) for cell in cells] == [
        (dataset, backbone, strategy)
        for dataset in ("acme/stripes:test=60", "packaged/digits:test=40:train=64")
        for backbone in ("acme/tiny:width=16", "packaged/small_cnn")
        for strategy in ("builtin/freeze", "acme/halfway:alpha=0.25")
    ]
    origin = records[1]["provenance"]["strategy"]
    assert (origin["plugin"], origin["distribution"], origin["version"]) == ("acme", "acme-vision", "2.1")
    assert len(origin["source_digest"]) == 64 and not origin["local"]
    assert records[1]["metrics"]["test"]["accuracy"] > 0.9  # stripes are easy


def test_tlbench_itself_comes_from_its_wheel(tlbench: Path, tmp_path: Path) -> None:
    where = "import tlbench, tlbench_timm; print(tlbench.__file__, tlbench_timm.__file__)"
    command = [str(tlbench.parent / "python"), "-c", where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(str(tlbench.parents[1]) in path for path in done.stdout.split())


def test_it_is_listed_and_its_options_are_checked(tlbench: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [str(tlbench), "list", "strategies"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    row = next(line for line in listed.stdout.splitlines() if line.startswith("acme/halfway"))
    assert "go back part of the way" in row
    assert "acme-vision 2.1" in row
    refused = subprocess.run(
        [str(tlbench), "run", "--strategies", "halfway:alpha=2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "option alpha of strategy acme/halfway is float and can't be '2'" in refused.stderr
