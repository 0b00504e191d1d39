"""Python on pages that have little of it is run as it stands there, on what its names stand for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOON
from conftest import PluginMaker
from made_runs import Runs

import tlbench
from tlbench.registry.chosen import Chosen, using
from tlbench.registry.kinds import Registry
from tlbench.registry.plugins import load_plugins

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text("utf-8"), re.DOTALL)


def test_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    runs = Runs(tmp_path / "results")
    for number in range(12):
        runs.write(
            f"night-{number:02}",
            {"resnet50": 0.9 if number < 6 else 0.5},
            strategy="peft/lora",
            started=NOON + timedelta(days=number),
        )
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("history")
    names: dict[str, object] = {"tlbench": tlbench}
    exec(block, names)
    assert "resnet50 × lora Accuracy night-06 worse" in capsys.readouterr().out


TASKS = """
from tlbench import Column, ExtraMetric, Metric, hookimpl
from tlbench_tasks.single_label import SingleLabel

tlbench_api = 1


def make_ordinal(options):
    return SingleLabel()


def within_one(objective, kept):
    return float((kept["predicted"] - kept["labels"]).abs().le(1).double().mean())


def train_share(record):
    return None if record.cost is None else record.cost.train_seconds / record.cost.paid_seconds


"""
"""What the block of docs/tasks.md registers."""


def test_tasks_metrics_and_columns(tmp_path: Path) -> None:
    (block,) = blocks("tasks")
    (tmp_path / "mine.py").write_text(TASKS + block)
    with using(Chosen(local=(str(tmp_path / "mine.py"),))):
        registry = Registry.of(load_plugins())
    assert registry.plugins.faults == []
    assert registry.tasks.resolve("mine/ordinal").load().primary == "accuracy"
    assert [each.metric.name for each in registry.metrics_of("mine/ordinal")] == ["within_one"]


@pytest.mark.slow
def test_a_saved_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import load_sample_images
    from torchvision.transforms.functional import to_pil_image

    results = tlbench.run(
        backbones="small_cnn", datasets="digits:train=60:test=40", strategies="full", epochs=1, image_size=16,
        save="all", results=tmp_path / "results", progress=False,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name, picture in zip(("cat.jpg", "dog.jpg"), load_sample_images().images, strict=True):
        to_pil_image(picture).save(tmp_path / name)
    (block,) = blocks("saved-models")
    names = {"tlbench": tlbench, "image": to_pil_image(load_sample_images().images[0])}
    exec(block.replace("RUN/TRIAL_ID", f"{results.plan.name}/{results.records[0].trial.id}"), names)
    assert names["predicted"].values.shape == (2, 10)  # type: ignore[attr-defined]


HALF = """
from pydantic import Field

from tlbench import Dataset, Options, Split, SplitOptions, Train, hookimpl, strategy

tlbench_api = 1


class HalfOptions(Options):
    alpha: float = Field(0.5, gt=0, lt=1, description="nothing that matters")


@strategy("half", options=HalfOptions, learning_rates={"adamw": 1e-2, "sgd": 1e-1}, head_only=True)
def half(model, options):
    '''Train the head.'''
    yield Train(model.head)


class PhotosOptions(SplitOptions):
    size: int = Field(16, ge=8, description="pixels of a side")


def make_photos(options):
    import numpy as np

    labels = np.arange(80) % 2

    def image(place):
        noise = np.random.default_rng(place).integers(0, 60, (options.size, options.size, 3), dtype=np.uint8)
        return noise + np.uint8(150 * labels[place])

    return Dataset(
        classes=["dark", "bright"], train=Split(labels, image), native_size=options.size, domain="synthetic",
        licence="CC0-1.0", fingerprint=f"photos {options.size}",
    )


@hookimpl
def tlbench_register_strategies(register):
    register(half)


@hookimpl
def tlbench_register_datasets(register):
    register("photos", make_photos, options=PhotosOptions, summary="dark and bright noise")
"""


@pytest.mark.slow
def test_conformance(plugin: PluginMaker, tmp_path: Path) -> None:
    """With the file of docs/plugins.md that brings a backbone in the place of mine.py."""
    (strided,) = (each for each in blocks("plugins") if each.startswith("# strided.py"))
    (tmp_path / "mine.py").write_text(strided.replace('register("strided"', 'register("net"'))
    (tmp_path / "test_page.py").write_text("\n".join(blocks("conformance")).replace("my-plugin", "myplugin"))
    environment = plugin("myplugin", HALF).environment
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
