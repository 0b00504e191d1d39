"""Models that runs leave: saved, loaded in another process, asked, and built upon."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import Cli, Finished, Once, PluginMaker, run_cli
from safetensors.numpy import load_file
from sklearn.datasets import load_digits
from torch import nn

import tlbench

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
SMALL = ("--datasets", "digits:train=60:test=40", "--epochs", "1", "--image-size", "32")


@pytest.fixture(scope="module")
def run(once: Once) -> tuple[Path, Finished]:
    """A finished run that kept all of its models: heads trained together, a whole model, and neighbours."""
    arguments = ("--strategies", "freeze,full,knn", "--seeds", "2", "--save", "all", "--name", "one", "--json")
    folder, finished = once("saved", lambda folder: run_cli("run", *SMALL, *arguments, cwd=folder))
    assert finished.status == 0, finished.stderr
    return folder, finished


def test_each_trial_leaves_a_model_that_predicts_test_as_its_record_says(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    assert "6 saved models in results/one/models" in finished.stderr
    for record in finished.records:
        model = tlbench.load_model(folder / "results" / "one" / "models" / record["trial"]["id"])
        assert not any(each.training or not isinstance(each, nn.Module) for each in model.module.modules())
        assert model.classes == tuple("0123456789")
        kept = load_file(folder / "results" / "one" / "trials" / record["predictions"])
        found = model.predict([DIGITS[place] for place in kept["indices"]])
        confidence, predicted = found.values.max(1)
        assert predicted.tolist() == kept["predicted"].tolist()
        assert confidence.numpy() == pytest.approx(kept["confidence"], abs=1e-4)
        assert list(found.answers) == [model.classes[place] for place in predicted]


def test_the_preprocessing_is_a_torchvision_transform_of_one_image(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    model = tlbench.load_model(f"one/{finished.records[0]['trial']['id']}", folder / "results")
    ready = model.preprocess(PIL.Image.fromarray(DIGITS[0]))
    assert ready.shape == (3, 32, 32) and ready.dtype == torch.float32
    with torch.inference_mode():
        own = model.module(ready[None]).softmax(1)
    assert own.numpy() == pytest.approx(model.predict(DIGITS[0]).values.numpy(), abs=1e-5)


@pytest.mark.slow
def test_predict_prints_classes_and_probabilities(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    for place in range(2):
        PIL.Image.fromarray(DIGITS[place]).save(folder / f"{place}.png")
    name = f"one/{finished.records[0]['trial']['id']}"
    table = run_cli("predict", name, "0.png", "1.png", "--top", "2", cwd=folder)
    assert table.status == 0, table.stderr
    assert "0.png" in table.stdout and "prediction" in table.stdout
    rows = json.loads(run_cli("predict", name, "0.png", "1.png", "--json", cwd=folder).stdout)
    assert [row["image"] for row in rows] == ["0.png", "1.png"]
    assert sum(rows[0]["values"].values()) == pytest.approx(1, abs=1e-5)
    assert rows[0]["answer"] == max(rows[0]["values"], key=rows[0]["values"].get)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("one/none", "0.png"), "run one has no saved model of trial 'none'; it has "),
        (("nowhere/x", "0.png"), "there is no run 'nowhere'"),
        (("one", "0.png"), "there is no saved model in 'one'; give RUN/TRIAL_ID, or the folder of a saved model"),
        (("{model}", "missing.png"), "there is no image missing.png"),
        (("{model}", "results"), "results is a folder; name the images in it: results/*"),
        (("{model}", "text.png"), "text.png can't be decoded"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(run: tuple[Path, Finished], arguments: tuple[str, ...], said: str) -> None:
    folder, finished = run
    (folder / "text.png").write_text("no image")
    PIL.Image.fromarray(DIGITS[0]).save(folder / "0.png")
    model = f"one/{finished.records[0]['trial']['id']}"
    told = run_cli("predict", *(each.replace("{model}", model) for each in arguments), cwd=folder)
    assert told.status == 2
    assert told.stderr.startswith(f"error: {said}")


@pytest.mark.slow
def test_a_saved_model_is_a_backbone_and_its_identity_is_that_of_its_tensors(run: tuple[Path, Finished]) -> None:
    folder, finished = run
    full, neighbours = (
        next(each for each in finished.records if each["trial"]["cell"]["strategy"] == f"builtin/{strategy}")
        for strategy in ("full", "knn")
    )
    paths = [f"results/one/models/{each['trial']['id']}" for each in (full, neighbours)]
    again = run_cli(
        *("run", *SMALL, "--strategies", "freeze", "--json", "--name", "again"),
        *("--backbones", ",".join(f"saved:{path}" for path in paths)),
        cwd=folder,
    )
    assert again.status == 0, again.stderr
    names = [record["weights"]["name"] for record in again.records]
    assert [name.partition("@")[0] for name in names] == [f"saved/{each['trial']['id']}" for each in (full, neighbours)]
    assert len({name.partition("@")[2] for name in names}) == 2
    digests = [record["weights"]["digest"] for record in again.records]
    assert digests[1] == neighbours["weights"]["digest"]  # knn leaves the body as it was published
    assert digests[0] != full["weights"]["digest"]


@pytest.mark.slow
def test_only_the_models_of_the_best_cell_are_kept(cli: Cli, tmp_path: Path) -> None:
    finished = cli(
        *("run", "--datasets", "digits:train=150:test=40", "--epochs", "2", "--image-size", "32", "--seeds", "2"),
        *("--strategies", "freeze,scratch", "--save", "best", "--name", "best", "--json"),
    )
    assert finished.status == 0, finished.stderr
    kept = {each.name for each in (tmp_path / "results" / "best" / "models").iterdir()}
    of_freeze = {
        each["trial"]["id"] for each in finished.records if each["trial"]["cell"]["strategy"].endswith("freeze")
    }
    assert kept == of_freeze


def test_nothing_is_saved_unless_it_is_asked_for(trained: tuple[Path, Finished]) -> None:
    folder, _ = trained
    assert not (folder / "results" / "trained" / "models").exists()


UNSAVED = """
import torch
from tlbench import Rewrite, Train, hookimpl, strategy

tlbench_api = 1

class Doubled(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.factor = layer, torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, given):
        return self.factor * self.layer(given)

def grown(model, options):
    yield Rewrite(lambda model: model.module.set_submodule("hidden", Doubled(model.module.hidden)))
    yield Train(model.head)

@hookimpl
def tlbench_register_strategies(register):
    register(strategy("grown", learning_rates={"adamw": 1e-3})(grown))
    register(strategy("secret", learning_rates={"adamw": 1e-3}, not_saved="its licence forbids it")(grown))
"""


@pytest.mark.slow
def test_what_can_not_be_saved_says_so(cli: Cli, plugin: PluginMaker, tmp_path: Path) -> None:
    finished = cli(
        *("run", "--datasets", "digits:train=60:test=40", "--epochs", "1", "--backbones", "small_cnn", "--json"),
        *("--strategies", "grown,secret", "--save", "all", "--name", "one"),
        environment=plugin("growing", UNSAVED).environment,
    )
    assert finished.status == 0, finished.stderr
    assert "models of growing/secret will not be saved: its licence forbids it" in finished.stderr
    notes = {each["trial"]["cell"]["strategy"]: each["notes"]["model"] for each in finished.records}
    assert notes["growing/secret"] == "not saved: its licence forbids it"
    assert notes["growing/grown"].startswith(
        "not saved: strategy growing/grown changes the model's structure, and states"
    )
    assert not list((tmp_path / "results" / "one").glob("models/*"))
