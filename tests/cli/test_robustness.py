"""Trained models measured under corruptions: the figures of a real run, computed once more from its saved models."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import Cli, Finished, PluginMaker, run_cli
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

import tlbench
from tlbench.data.corrupt import Corrupt
from tlbench.data.images import as_channels, fit
from tlbench.plan.corruptions import CORRUPTIONS

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
SMALL = ("--datasets", "digits:train=96:test=60", "--epochs", "2", "--image-size", "32")
ASKED = ("--corruptions", "contrast,noise")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """Heads trained together and a whole model, two seeds, under two corruptions; all models are kept."""
    folder = tmp_path_factory.mktemp("corrupted")
    arguments = ("--strategies", "freeze,full", "--seeds", "2", "--save", "all", "--name", "one", "--json")
    finished = run_cli("run", *SMALL, *ASKED, *arguments, cwd=folder)
    assert finished.status == 0, finished.stderr
    return folder, finished


def of(run: tuple[Path, Finished], strategy: str) -> list[dict[str, Any]]:
    return [each for each in run[1].records if each["trial"]["cell"]["strategy"] == f"builtin/{strategy}"]


def towards_the_mean(image: np.ndarray, factor: float, _place: int) -> np.ndarray:
    """The paper's contrast, in NumPy."""
    mean = image.mean((0, 1), keepdims=True)
    return np.rint(((image - mean) * factor + mean).clip(0, 255)).astype(np.uint8)


def with_noise(image: np.ndarray, deviation: float, place: int) -> np.ndarray:
    """One image by itself."""
    values = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    found = Corrupt("noise", deviation)(values, torch.tensor([place]))
    return (255 * found[0].permute(1, 2, 0)).round().to(torch.uint8).numpy()


@pytest.mark.parametrize(("name", "corrupt"), [("contrast", towards_the_mean), ("noise", with_noise)])
def test_the_curve_is_what_a_loop_over_the_saved_model_gives(
    run: tuple[Path, Finished], name: str, corrupt: Callable[[np.ndarray, float, int], np.ndarray]
) -> None:
    for record in run[1].records:
        model = tlbench.load_model(run[0] / "results" / "one" / "models" / record["trial"]["id"])
        kept = load_file(run[0] / "results" / "one" / "trials" / record["predictions"])
        resized = [fit(as_channels(DIGITS[place], 3), 32, model.document.preprocessing.interpolation)
                   for place in kept["indices"]]  # fmt: skip
        for severity, strength in enumerate(CORRUPTIONS[name].at(32)):
            images = [corrupt(each, strength, int(at)) for each, at in zip(resized, kept["indices"], strict=True)]
            found = model.predict(images).values.argmax(1).numpy()
            accuracy = (found == kept["labels"]).mean()
            assert record["corruptions"]["by_corruption"][name][severity] == pytest.approx(accuracy, abs=1.01 / 60)


def test_means_are_of_the_curve_and_strengths_are_in_the_cell(run: tuple[Path, Finished]) -> None:
    for record in run[1].records:
        assert record["trial"]["cell"]["corruptions"] == {
            name: list(CORRUPTIONS[name].at(32)) for name in ("noise", "contrast")
        }
        curve = np.array([record["corruptions"]["by_corruption"][name] for name in ("noise", "contrast")])
        assert curve.shape == (2, 5)
        assert record["environment"]["packages"]["kornia"] == version("kornia")
        assert record["corruptions"]["by_severity"] == pytest.approx(curve.mean(0))
        assert record["metrics"]["corrupted"] == pytest.approx(curve.mean())
    for record in of(run, "full"):
        assert record["metrics"]["corrupted"] < record["metrics"]["test"]["accuracy"]


def test_seconds_are_a_stage_of_their_own(run: tuple[Path, Finished]) -> None:
    for record in of(run, "full"):
        cost = record["cost"]
        stages = ("load", "measure", "train", "evaluate", "robustness", "save")
        assert sum(cost[f"{stage}_seconds"] for stage in stages) == pytest.approx(cost["paid_seconds"], rel=0.02)
        assert cost["robustness_seconds"] > cost["evaluate_seconds"]  # ten times test, beside val and test
    for record in of(run, "freeze"):
        assert record["cost"]["basis"] == "attributed" and record["cost"]["robustness_seconds"] > 0


def test_heads_trained_together_have_the_figures_that_one_alone_has(run: tuple[Path, Finished], cli_here: Cli) -> None:
    (alone,) = cli_here("run", *SMALL, *ASKED, "--strategies", "freeze", "--json").records
    together = of(run, "freeze")[0]
    assert together["cost"]["product_heads"] == 2 and alone["cost"]["product_heads"] is None
    assert alone["trial"]["id"] == together["trial"]["id"]
    for name, values in alone["corruptions"]["by_corruption"].items():
        assert together["corruptions"]["by_corruption"][name] == pytest.approx(values, abs=1.01 / 60)


def test_tables_have_a_column_and_the_detail_has_the_curves(run: tuple[Path, Finished], cli_here: Cli) -> None:
    results = ("--results", str(run[0] / "results"))
    shown = cli_here("show", "one", "--detail", *results).stdout
    assert "Corrupted" in next(line for line in shown.splitlines() if line.startswith("Backbone"))
    assert "Corrupted: mean accuracy on the test images under noise, contrast at severities 1 to 5" in shown
    assert "Under corruptions, at severities 1 to 5:" in shown
    assert "efficientnet_lite0 × full, noise: " in shown and "efficientnet_lite0 × full, mean: " in shown
    rows = list(csv.DictReader(io.StringIO(cli_here("show", "one", "--format", "csv", *results).stdout)))
    assert [float(row["corrupted"]) for row in rows] == pytest.approx(
        [each["metrics"]["corrupted"] for each in run[1].records]
    )
    assert all(float(row["robustness_seconds"]) > 0 for row in rows)


def test_a_run_without_has_no_column_null_in_its_records_and_is_compared_in_all_else(
    run: tuple[Path, Finished], cli_here: Cli, tmp_path: Path
) -> None:
    plain = cli_here("run", *SMALL, "--strategies", "freeze", "--name", "plain", "--json").records[0]
    with_them = of(run, "freeze")[0]
    assert plain["trial"]["cell_id"] != with_them["trial"]["cell_id"]
    assert plain["metrics"]["test"]["nll"] == pytest.approx(with_them["metrics"]["test"]["nll"], rel=1e-4)
    assert (plain["metrics"]["corrupted"], plain["corruptions"]) == (None, None)
    assert plain["cost"]["robustness_seconds"] is None and plain["trial"]["cell"]["corruptions"] == {}
    assert "Corrupted" not in cli_here("show", "plain").stdout
    compared = cli_here("compare", "plain", str(run[0] / "results" / "one"))
    assert compared.status == 0, compared.stderr
    assert "Accuracy of 1 cell" in compared.stdout
    again = cli_here("run", *SMALL, *ASKED, "--strategies", "freeze", "--name", "plain")
    assert again.status == 2 and "exists with a different plan (corruptions.noise" in again.stderr


CHANNELS = """
import numpy as np
from tlbench import Dataset, hookimpl
from tlbench.contracts import Split

tlbench_api = 1

def make(options):
    pixels = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 5), dtype=np.uint8)
    return Dataset(["a", "b"], Split(np.arange(60) % 2, pixels.__getitem__), 8, channels=5)

@hookimpl
def tlbench_register_datasets(register):
    register("scans", make, summary="noise")
"""


def write_deep_images(folder: Path) -> None:
    """Classes of grey images of 16 bits."""
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for place in range(10):
            pixels = random.integers(0, 4000, (8, 8)).astype(np.uint16)
            PIL.Image.fromarray(pixels).save(folder / name / f"{place}.png")


def test_what_can_not_be_corrupted_is_refused_before_anything_runs(
    cli_warm: Cli, plugin: PluginMaker, tmp_path: Path
) -> None:
    environment = plugin("many", CHANNELS).environment
    write_deep_images(tmp_path / "deep")
    for dataset, said in (
        ("scans", "--corruptions noise is for images of 1 or 3 channels, and many/scans has 5; run many/scans without"),
        (
            "folder:deep",
            "--corruptions noise is for images of 8 bits, and those of packaged/folder:path=deep have more",
        ),
    ):
        found = cli_warm("run", "--backbones", "small_cnn", "--datasets", dataset, "--corruptions", "noise",
                         environment=environment)  # fmt: skip
        assert found.status == 2 and said in found.stderr, found.stderr
    assert not list((tmp_path / "results").glob("*/trials/*"))


def test_without_kornia_it_is_said_what_to_install(cli_here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlbench.plan.named.find_spec", lambda _name: None)
    found = cli_here("run", "--corruptions", "noise")
    assert found.status == 2
    assert found.stderr.splitlines()[-1] == "error: --corruptions needs kornia: pip install 'tlbench[augment]'"
